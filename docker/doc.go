// Package docker says how the appliance's image is run: as a docker run command
// line, as the same line to be read and pasted, and as a compose file; with
// --privileged, as older instructions have it, or hardened, with exactly the
// rights that it needs.
//
// # Terms
//
// An appliance is one container of the image. A profile is the set of rights
// it gets. The rights of the hardened profile are listed in one place, each
// with what fails without it; a test takes each away and sees that it does.
//
// # Invariants
//
//   - Ports are published on a loopback address or not at all: what is published
//     elsewhere is open to the network, past macOS's own firewall.
//   - The same Appliance gives the same bytes, in every form.
//   - The package runs nothing and imports nothing of this module. compose.yaml
//     beside it is what Compose returns for Default(Hardened).
package docker
