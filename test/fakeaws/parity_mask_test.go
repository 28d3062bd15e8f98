package fakeaws_test

import (
	"fmt"
	"regexp"
	"strings"
)

// plainError gives the error of either protocol the same shape: {"error": its type, "message": its text}.
func plainError(body any) any {
	answer, ok := body.(map[string]any)
	if !ok {
		return body
	}
	if response, ok := answer["ErrorResponse"].(map[string]any); ok {
		inner, _ := response["Error"].(map[string]any)
		return map[string]any{"error": inner["Code"], "fault": inner["Type"], "message": inner["Message"]}
	}
	if kind, ok := answer["__type"]; ok {
		message := answer["message"]
		if message == nil {
			message = answer["Message"] // SDKs take either
		}
		return map[string]any{"error": kind, "message": message}
	}
	return answer
}

// mask replaces what is random or depends on the time by what it is. Of an error's text it says no more than that there
// is one: texts are for people, and no document has them.
func mask(path string, value any) string {
	key := path[strings.LastIndexAny(path, ".")+1:]
	switch {
	case strings.HasSuffix(key, "Date") || key == "Expiration":
		return "a time"
	case key == "message" || key == "Message":
		return "a text"
	case key == "NextToken":
		return "a token"
	case key == "AccessKeyId" || key == "SecretAccessKey" || key == "SessionToken":
		return "a credential"
	case key == "RequestId":
		return "an id"
	case key == "UserId" || key == "AssumedRoleId":
		return uniqueID.ReplaceAllString(fmt.Sprint(value), "ID")
	}
	return maskText(fmt.Sprint(value))
}

// maskText replaces a UUID, unless it is one of the version ids that the requests have chosen, and the random end of a
// secret's ARN.
func maskText(text string) string {
	if uuid.MatchString(text) && !strings.HasPrefix(text, tokenPrefix) {
		return "a UUID"
	}
	return arnSuffix.ReplaceAllString(text, "$1-??????")
}

var (
	uuid      = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	arnSuffix = regexp.MustCompile(`^(arn:aws:secretsmanager:.*)-[A-Za-z0-9]{6}$`)
	uniqueID  = regexp.MustCompile(`^A[A-Z0-9]{15,}`)
)
