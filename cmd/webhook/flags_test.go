package main

import "testing"

func TestTLSVersionFlag(t *testing.T) {
	for version, tls12 := range map[string]bool{"": false, "1.3": false, "1.2": true} {
		args := []string{"--cert-dir", "x"}
		if version != "" {
			args = append(args, "--tls-min-version", version)
		}
		c, err := parse(args)
		must(t, err)
		if c.TLS12 != tls12 {
			t.Errorf("%q: TLS12 is %v", version, c.TLS12)
		}
	}
}
