// Package smbd runs Samba's smbd as a supervised child.
package smbd
