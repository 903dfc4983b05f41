package docker

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

type composeFile struct {
	Services map[string]composeService `yaml:"services"`
	Volumes  map[string]composeVolume  `yaml:"volumes,omitempty"`
}

// composeVolume has its name fixed, without the project's in front: the volume
// is the one that docker run uses too.
type composeVolume struct {
	Name string `yaml:"name"`
}

// composeService has the fields in the order in which one reads them.
type composeService struct {
	Image         string   `yaml:"image"`
	ContainerName string   `yaml:"container_name,omitempty"`
	Command       []string `yaml:"command,omitempty"`
	Restart       string   `yaml:"restart,omitempty"`
	Ports         []string `yaml:"ports,omitempty"`
	Volumes       []string `yaml:"volumes,omitempty"`
	Environment   []string `yaml:"environment,omitempty"`
	Privileged    bool     `yaml:"privileged,omitempty"`
	CapDrop       []string `yaml:"cap_drop,omitempty"`
	CapAdd        []string `yaml:"cap_add,omitempty"`
	Devices       []string `yaml:"devices,omitempty"`
	SecurityOpt   []string `yaml:"security_opt,omitempty"`
	ReadOnly      bool     `yaml:"read_only,omitempty"`
	Tmpfs         []string `yaml:"tmpfs,omitempty"`
	PidsLimit     int      `yaml:"pids_limit,omitempty"`
	MemLimit      string   `yaml:"mem_limit,omitempty"`
	// The hub and its mounts need a moment to drain; Docker's ten seconds.
	StopGracePeriod string `yaml:"stop_grace_period"`
}

const composeHeader = `# docker compose -f compose.yaml up -d, then: docker exec -it %s sshfs-bridge mount USER@HOST:PATH
# Where macOS File Sharing holds port 445, leave its line out: Finder uses 10445.
`

// Compose is the appliance as a compose file. Detach and Remove have no
// meaning there. It fails as Validate does.
func (a Appliance) Compose() ([]byte, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	s := composeService{
		Image: a.Image, ContainerName: a.Name, Command: literal(a.Command), Volumes: literal(a.mounts()),
		Environment: literal(a.Env), StopGracePeriod: "10s",
	}
	if a.Keep {
		s.Restart = "unless-stopped"
	}
	for _, p := range a.Ports {
		s.Ports = append(s.Ports, p.String())
	}
	if a.Profile == Privileged {
		s.Privileged = true
	} else {
		s.CapDrop = []string{"ALL"}
		for _, c := range Capabilities() {
			s.CapAdd = append(s.CapAdd, c.Name)
		}
		s.Devices = []string{"/dev/fuse"}
		s.SecurityOpt = securityOptions()
		s.ReadOnly, s.Tmpfs = true, tmpfs()
		s.PidsLimit, s.MemLimit = pidsLimit, memoryLimit
	}
	name := a.Name
	if name == "" {
		name = "sshfs-bridge"
	}
	f := composeFile{Services: map[string]composeService{name: s}}
	if a.Volume != "" && !strings.HasPrefix(a.Volume, "/") {
		f.Volumes = map[string]composeVolume{a.Volume: {Name: a.Volume}}
	}
	body, err := yaml.MarshalWithOptions(f, yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("compose file: %w", err)
	}
	return append(fmt.Appendf(nil, composeHeader, name), body...), nil
}

// literal doubles $, which Compose would take for a variable.
func literal(texts []string) []string {
	var out []string
	for _, s := range texts {
		out = append(out, strings.ReplaceAll(s, "$", "$$"))
	}
	return out
}
