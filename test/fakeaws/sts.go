package fakeaws

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stsOperations are the operations of STS that there are.
var stsOperations = map[string]handler{
	"GetCallerIdentity":       getCallerIdentity,
	"AssumeRole":              assumeRole,
	assumeRoleWithWebIdentity: assumeRoleByToken,
}

const assumeRoleWithWebIdentity = "AssumeRoleWithWebIdentity"

// identity is the answer of GetCallerIdentity.
type identity struct {
	ARN     string `xml:"Arn"`
	UserID  string `xml:"UserId"`
	Account string
}

func getCallerIdentity(c *call) (any, error) {
	return identity{ARN: c.caller.arn, UserID: c.caller.userID, Account: c.caller.account.id}, nil
}

func assumeRole(c *call) (any, error) {
	role, err := c.role()
	if err != nil {
		return nil, err
	}
	if err := c.mayAssume(role); err != nil {
		return nil, err
	}
	return c.newSession(role, webIdentity{})
}

func assumeRoleByToken(c *call) (any, error) {
	role, err := c.role()
	if err != nil {
		return nil, err
	}
	token, err := parseWebIdentity(c.form.Get("WebIdentityToken"))
	anyToken := role != nil && role.Subject == "" && role.Audience == ""
	switch {
	case c.form.Get("WebIdentityToken") == "":
		return nil, c.invalid("webIdentityToken", "not be null")
	case err != nil && !anyToken:
		return nil, err
	case role == nil, role.Subject != "" && role.Subject != token.Subject:
		err := c.protocol.fault(accessDenied)
		err.Message = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
		return nil, err
	case role.Audience != "" && !slices.Contains(token.Audience, role.Audience):
		return nil, clientError("InvalidIdentityToken", "Incorrect token audience")
	}
	return c.newSession(role, token)
}

// role is the one that the call names; nil if there is no such role.
func (c *call) role() (*role, error) {
	arn := c.form.Get("RoleArn")
	if arn == "" {
		return nil, c.invalid("roleArn", "not be null")
	}
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" || parts[5] == "" {
		return nil, &apiError{Code: "ValidationError", Message: arn + " is invalid", Status: http.StatusBadRequest}
	}
	account, ok := c.server.accounts[parts[4]]
	if !ok || parts[1] != account.partition {
		return nil, nil
	}
	return account.roles[strings.TrimPrefix(parts[5], "role/")], nil
}

// invalid is what STS answers to a parameter that breaks a constraint of the API model.
func (c *call) invalid(parameter, broken string) error {
	err := constraint(parameter, "%s", broken)
	err.Code = "ValidationError"
	return err
}

// session is the answer of both ways to assume a role.
type session struct {
	Subject         string `xml:"SubjectFromWebIdentityToken,omitempty"`
	Audience        string `xml:",omitempty"`
	AssumedRoleID   string `xml:"AssumedRoleUser>AssumedRoleId"`
	AssumedRoleARN  string `xml:"AssumedRoleUser>Arn"`
	AccessKeyID     string `xml:"Credentials>AccessKeyId"`
	SecretAccessKey string `xml:"Credentials>SecretAccessKey"`
	SessionToken    string `xml:"Credentials>SessionToken"`
	Expiration      string `xml:"Credentials>Expiration"`
	Provider        string `xml:",omitempty"`
}

// newSession makes temporary credentials, with which calls are the role's.
func (c *call) newSession(role *role, token webIdentity) (any, error) {
	name := c.form.Get("RoleSessionName")
	if err := checkLength("roleSessionName", len(name), 2, 64); err != nil {
		return nil, c.invalid("roleSessionName", "have length between 2 and 64")
	}
	duration, err := c.sessionDuration()
	if err != nil {
		return nil, err
	}
	c.server.sessions++
	key := "ASIA" + digest(fmt.Sprintf("session %d", c.server.sessions), 16)
	account := role.owner
	p := &principal{
		account: account,
		role:    role.Name,
		arn:     fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", account.partition, account.id, role.Name, name),
		userID:  fmt.Sprintf("AROA%s:%s", digest(account.id+role.Name, 17), name),
		token:   "token-of-" + key,
		expires: c.server.now().Add(duration),
	}
	c.server.keys[key] = p
	return session{
		Subject: token.Subject, Audience: strings.Join(token.Audience, ","), Provider: token.Issuer,
		AssumedRoleID: p.userID, AssumedRoleARN: p.arn,
		AccessKeyID: key, SecretAccessKey: "secret-of-" + key, SessionToken: p.token,
		Expiration: p.expires.UTC().Format(time.RFC3339),
	}, nil
}

func (c *call) sessionDuration() (time.Duration, error) {
	text := c.form.Get("DurationSeconds")
	if text == "" {
		return time.Hour, nil
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 900 || seconds > 43200 {
		return 0, c.invalid("durationSeconds", "have value between 900 and 43200")
	}
	return time.Duration(seconds) * time.Second, nil
}
