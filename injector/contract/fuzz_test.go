package contract_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/inputs"
)

// TestConfigurations sends many configurations from one side to the other.
func TestConfigurations(t *testing.T) {
	inputs.Try(t, func(input []byte) (string, error) {
		text, err := configuration(inputs.From(input)).Encode()
		if err != nil {
			return "", err
		}
		return checkDecode(text)
	})
}

// FuzzDecode lets Go's fuzzer look for texts that are read as one thing and written as another.
func FuzzDecode(f *testing.F) {
	for n := range byte(16) {
		text, err := configuration(inputs.From([]byte{n, n, n, n, n, n, n, n, n, n})).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := checkDecode(text); err != nil {
			t.Error(err)
		}
	})
}

// configuration makes one, which Decode may refuse.
func configuration(c *inputs.Choices) contract.Config {
	text := func() string {
		return inputs.Of(c, "a", "", "$(HOME)$$", "é\u2028<&>", "\xff\x00", `"\u0024`, "airflow/connections")
	}
	names := func() *contract.Names {
		if c.OneIn(3) {
			return nil
		}
		return &contract.Names{Prefix: text(), IDs: inputs.Of(c, nil, nil, []string{"a", text()}), Pattern: inputs.Of(c, "", "^aws_$", "(", "é")}
	}
	config := contract.Config{
		Version:   inputs.Of(c, contract.Version, contract.Version, contract.Version, contract.Version, 0, contract.Version+1),
		Directory: inputs.Of(c, contract.Directory, contract.Directory, "/$(X)/é", "relative", "/", "/a/../b"),
		FileMode:  contract.FileMode(inputs.Of(c, 0o444, 0o400, 0o640, 0o044)),
		Timeout:   contract.Duration(inputs.Of(c, time.Minute, 90*time.Second, time.Nanosecond, 1<<62, 0)),
		Read:      inputs.Of(c, contract.ReadAuto, contract.ReadBatch, contract.ReadSingle, contract.ReadAuto, "fast"),
	}
	for range 1 + c.Below(3) {
		config.Accounts = append(config.Accounts, contract.Account{Name: inputs.Of(c, "own", "shared", text()), Region: text(), EndpointURL: text(),
			Separator: inputs.Of(c, "/", "$", "-"), Connections: names(), Variables: names(), Role: inputs.Of(c, nil, &contract.Role{ARN: text(), Duration: 1}),
			WebIdentity: inputs.Of(c, nil, &contract.WebIdentity{RoleARN: text()}), Files: inputs.Of(c, nil, []contract.File{{Path: "a/b", Secret: text(), Key: text()}}),
			ConnectionWords: inputs.Of(c, nil, map[string][]string{"user": {text()}})})
	}
	if c.OneIn(2) {
		config.TakeOver = &contract.TakeOver{Workers: c.OneIn(2), ConfigFile: text(), Moved: []string{text()}, Decided: inputs.Of(c, nil, []string{"sep"})}
	}
	for range c.Below(3) {
		config.Warnings = append(config.Warnings, text())
	}
	return config
}

// checkDecode expects a text to be refused with a code, or to be the same configuration each time it is written and read.
func checkDecode(text string) (outcome string, err error) {
	config, err := contract.Decode(text)
	if err != nil {
		var why *contract.Error
		if !errors.As(err, &why) || why.Code != contract.InvalidConfig && why.Code != contract.ConfigTooNew {
			return "", fmt.Errorf("%q is refused with %w, expected a *contract.Error of code %s or %s", text, err, contract.InvalidConfig, contract.ConfigTooNew)
		}
		return "refused as " + string(why.Code), nil
	}
	written, err := config.Encode()
	if err != nil || strings.Contains(written, "$") {
		return "", fmt.Errorf("%q is written as %q (%v), and the kubelet expands a $", text, written, err)
	}
	again, err := contract.Decode(written)
	if err != nil {
		return "", fmt.Errorf("%q is written as %q and not read any more: %w", text, written, err)
	}
	if rewritten, err := again.Encode(); err != nil || rewritten != written {
		return "", fmt.Errorf("%q is written as %q, then as %q (%v)", text, written, rewritten, err)
	}
	return "read as it was written", nil
}
