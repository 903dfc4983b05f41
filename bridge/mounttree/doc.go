// Package mounttree keeps the directory of mount points and the hub.
package mounttree
