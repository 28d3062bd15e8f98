package source

import (
	"log/slog"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Which addresses these settings stand for is the SDK's affair; that they reach it, and the profile's absence takes them
// away from nobody, is ours.
func TestFIPSAndDualStackReachTheClients(t *testing.T) {
	for _, profile := range []string{"", "gone"} {
		t.Setenv("AWS_PROFILE", profile)
		for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_STS"} {
			t.Setenv(name, "")
		}
		s, err := connect(t.Context(), contract.Account{
			Region: "us-east-1", FIPS: true, DualStack: true, Keys: func() (string, string, string) { return "AKIA", "x", "" },
		}, new(run), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		endpoints := s.client.Options().EndpointOptions
		if endpoints.UseFIPSEndpoint != aws.FIPSEndpointStateEnabled || endpoints.UseDualStackEndpoint != aws.DualStackEndpointStateEnabled {
			t.Errorf("with the profile %q the endpoints are %+v, expected FIPS and dual-stack", profile, endpoints)
		}
	}
}
