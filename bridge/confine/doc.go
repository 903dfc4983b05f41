// Package confine takes rights away from a program that is about to be
// started: capabilities, the bounding set, the user, and the possibility of
// ever gaining anything (no_new_privs).
//
// Linux keeps these per thread, and the Go runtime has many threads. So they
// are changed on one locked thread, and that thread calls execve: the kernel
// ends all others, and the program that follows has the rights of the calling
// thread alone. Exec is the only way in; nothing here leaves a process that
// is half confined.
//
// It is a leaf: it imports nothing of this module.
package confine
