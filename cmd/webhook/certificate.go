package main

import (
	"errors"
	"flag"
	"fmt"

	"github.com/airflow-secrets/airflow-secrets/certs"
	"github.com/airflow-secrets/airflow-secrets/webhook"
)

// certificateFlags are those of a certificate that the webhook makes itself, and whether that needs them.
var certificateFlags = map[string]bool{
	"ca-secret": true, "service": true, "webhook-configuration": true,
	"namespace": false, "ca-validity": false, "leaf-validity": false, "kubeconfig": false,
}

// checkCertificate sees to it that one way to a certificate is asked for, and all of it.
func (c command) checkCertificate(flags *flag.FlagSet) error {
	var selfMade, stray string
	flags.Visit(func(f *flag.Flag) {
		if needed, ok := certificateFlags[f.Name]; ok {
			stray = f.Name
			if needed {
				selfMade = f.Name
			}
		}
	})
	switch {
	case c.certDir == "" && selfMade == "":
		return errors.New("where does the certificate come from? Expected --ca-secret, --service and --webhook-configuration, or else --cert-dir")
	case c.certDir != "" && stray != "":
		return fmt.Errorf("--cert-dir and --%s exclude each other: the certificate comes from files or is made by the webhook", stray)
	case c.certDir != "":
		return nil
	case c.selfMade.Secret == "" || c.selfMade.Service == "" || c.selfMade.Configuration == "":
		return errors.New("--ca-secret, --service and --webhook-configuration go together, and one of them is missing")
	case c.selfMade.LeafValidity < certs.MinLeafValidity:
		return fmt.Errorf("--leaf-validity is %v, expected %v or more", c.selfMade.LeafValidity, certs.MinLeafValidity)
	case c.selfMade.CAValidity < certs.MinLeaves*c.selfMade.LeafValidity:
		return fmt.Errorf("--ca-validity is %v, expected %d times --leaf-validity or more, which is %v",
			c.selfMade.CAValidity, certs.MinLeaves, certs.MinLeaves*c.selfMade.LeafValidity)
	}
	return nil
}

// certificates gives the serving certificate in the way that was asked for.
func (c command) certificates() (webhook.Certificates, error) {
	if c.certDir != "" {
		return certs.FromFiles(c.certDir, c.Log)
	}
	o := c.selfMade
	o.Log = c.Log
	if o.Namespace == "" {
		var err error
		if o.Namespace, err = certs.OwnNamespace(); err != nil {
			return nil, fmt.Errorf("%w; pass --namespace", err)
		}
	}
	return certs.New(o)
}
