package fakeaws

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// webIdentity is what a web identity token, such as that of a Kubernetes service account, says of its bearer.
type webIdentity struct {
	Subject  string   `json:"sub"`
	Issuer   string   `json:"iss"`
	Audience audience `json:"aud"`
}

// audience is a list, or a single text (RFC 7519, 4.1.3).
type audience []string

// UnmarshalJSON reads either form.
func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// parseWebIdentity reads a JSON web token. Its signature and its times are not checked.
func parseWebIdentity(token string) (webIdentity, error) {
	var out webIdentity
	parts := strings.Split(token, ".")
	if len(parts) == 3 {
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err == nil && json.Unmarshal(payload, &out) == nil {
			return out, nil
		}
	}
	return webIdentity{}, clientError("InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
}
