package dropin

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kevinburke/ssh_config"

	"sshfs-bridge/fusefs/sshdial"
)

// readConfigFile takes what the file of -F says of the host into the plan,
// behind what the command line says. The usual file still counts for what
// neither of them says: a mount has one SSH directory.
func readConfigFile(p *plan, sshDir string) error {
	usual := filepath.Join(sshDir, "config")
	if p.configFile == "none" || p.configFile == os.DevNull {
		if _, err := os.Stat(usual); err == nil {
			p.note("-F " + p.configFile + " has no effect: " + usual + " is read all the same")
		}
		return nil
	}
	if abs, err := filepath.Abs(p.configFile); err == nil && abs == usual {
		return nil
	}
	f, err := os.Open(p.configFile)
	if err != nil {
		return fmt.Errorf("-F: %w", err)
	}
	defer f.Close()
	config, err := ssh_config.Decode(f)
	if err != nil {
		return fmt.Errorf("-F %s: %w", p.configFile, err)
	}
	target, err := sshdial.ParseTarget(p.spec.Remote)
	if err != nil {
		return err
	}
	for keyword := range strings.FieldsSeq(sshKeywords) {
		if keyword == "User" && target.User != "" {
			continue
		}
		values, err := config.GetAll(target.Host, keyword)
		if err != nil {
			return fmt.Errorf("-F %s: %w", p.configFile, err)
		}
		for _, v := range values {
			if v == "" {
				continue
			}
			if err := applyKeyword(p, keyword, v); err != nil {
				return fmt.Errorf("-F %s: %w", p.configFile, err)
			}
		}
	}
	return nil
}
