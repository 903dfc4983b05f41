// Package smbconf is the smb.conf of the appliance: a model (Config, Share),
// the settings that follow from it and from the version of the smbd that is
// installed, each with its reason and its source, and the way there and back:
// Validate, Render, Parse.
//
// # Terms
//
// A share is one section of smb.conf: a mount's own volume in Finder, or the
// hub that shows every mount as a folder. A setting is one line of a section.
// Settings that exist only in some releases of Samba are chosen by Version;
// DetectVersion asks the installed smbd.
//
// # Invariants
//
//   - Nothing that a user or a remote controls can add a line, a section or a
//     Samba substitution: Validate refuses every value that smbd would read as
//     anything else than what was written (control characters, %, quotes, a
//     backslash at the end, white space that smbd would fold). smb.conf knows no
//     escapes, so what cannot be written is refused, never changed behind the
//     caller's back; CleanComment is there for the one text that is free.
//   - Render is stable: the same Config gives the same bytes.
//   - Parse accepts exactly what Render and RenderCommented write: it reads the
//     file as smbd does, builds the Config, renders that and compares.
//   - Everything in this package is a pure function but DetectVersion and Check,
//     which run smbd and testparm. It imports nothing of this module.
package smbconf
