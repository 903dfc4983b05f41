package docker

import (
	"strconv"
	"strings"
)

// Args are the arguments of docker that start the appliance: run, the options,
// the image and its command. It fails as Validate does.
func (a Appliance) Args() ([]string, error) {
	groups, err := a.groups()
	if err != nil {
		return nil, err
	}
	var args []string
	for _, g := range groups {
		args = append(args, g...)
	}
	return args, nil
}

// CommandLine is docker and Args as one types them, in a few lines, quoted for
// a POSIX shell; a leading ~ is left for the shell to resolve.
func (a Appliance) CommandLine() (string, error) {
	groups, err := a.groups()
	if err != nil {
		return "", err
	}
	lines := []string{"docker"}
	for _, g := range groups {
		text := ""
		for _, arg := range g {
			text += " " + quote(arg)
		}
		if last := &lines[len(lines)-1]; len(*last)+len(text) <= 110 {
			*last += text
		} else {
			lines = append(lines, "   "+text)
		}
	}
	return strings.Join(lines, " \\\n"), nil
}

// groups are the arguments in the pieces that belong together on a line: an
// option with its value, the image with its command.
func (a Appliance) groups() ([][]string, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	out := [][]string{{"run"}}
	add := func(args ...string) { out = append(out, args) }
	if a.Detach {
		add("-d")
	}
	if a.Keep {
		add("--restart", "unless-stopped")
	}
	if a.Remove {
		add("--rm")
	}
	if a.Profile == Privileged {
		add("--privileged")
	} else {
		add("--cap-drop", "ALL")
		for _, c := range Capabilities() {
			add("--cap-add", c.Name)
		}
		add("--device", "/dev/fuse")
		for _, o := range securityOptions() {
			add("--security-opt", o)
		}
		add("--read-only")
		for _, t := range tmpfs() {
			add("--tmpfs", t)
		}
		add("--pids-limit", strconv.Itoa(pidsLimit))
		add("--memory", memoryLimit)
	}
	if a.Name != "" {
		add("--name", a.Name)
	}
	for _, p := range a.Ports {
		add("-p", p.String())
	}
	for _, m := range a.mounts() {
		add("-v", m)
	}
	for _, e := range a.Env {
		add("-e", e)
	}
	return append(out, append([]string{a.Image}, a.Command...)), nil
}

// quote returns arg as one word of a POSIX shell.
func quote(arg string) string {
	const safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:=@%+,-"
	rest := strings.TrimPrefix(arg, "~/")
	if arg != "" && strings.Trim(rest, safe) == "" {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
