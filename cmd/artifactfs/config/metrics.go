package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// setMetrics takes a loopback address and a port. Any other address has to be written
// out, and is warned of: a mount has users, a port has none, and ":9477" is easily
// written by who does not mean every network that the machine is in.
func setMetrics(c *Config, v any, _ Env) error {
	s, _ := v.(string)
	if port, found := strings.CutPrefix(s, ":"); found {
		return fmt.Errorf("%q is this port on every network of the machine; write \"127.0.0.1:%s\", or \"0.0.0.0:%s\" if that is meant", s, port, port)
	}
	at, err := netip.ParseAddrPort(strings.Replace(s, "localhost:", "127.0.0.1:", 1))
	if err != nil || at.Port() == 0 {
		return fmt.Errorf("%s is not an address and a port, such as \"127.0.0.1:9477\"", show(v))
	}
	if !at.Addr().IsLoopback() {
		c.Warnings = append(c.Warnings, fmt.Sprintf("artifactfs.metrics = %q is not of this machine alone: whoever reaches that address reads the metrics, the store's root among them", s))
	}
	c.Metrics = at.String()
	return nil
}
