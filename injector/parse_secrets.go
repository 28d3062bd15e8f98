package injector

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/contract/pattern"
)

// The parsers of what is read, and by whom. They, too, never know their key.

// maxIDs bounds a list of ids. Airflow is slow with far fewer connections.
const maxIDs = 1000

func parseIDs(value string) ([]string, error) {
	var ids []string
	for id := range strings.SplitSeq(value, ",") {
		id = strings.TrimSpace(id)
		if len(ids) == maxIDs || len(id) > 512 || !secretName.MatchString(id) {
			return nil, errors.New("1 to 1000 ids with commas between them, of the characters AWS allows in the name of a secret: A-Z a-z 0-9 / _ + = . @ -")
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// optionName is an option as section.key, as Airflow's own are written: one that no other option's variable can be taken for.
var optionName = regexp.MustCompile(`^([a-z][a-z0-9]*([_.][a-z0-9]+)*)\.([a-z][a-z0-9]*(_[a-z0-9]+)*)$`)

func parseOptions(value string) ([]contract.Option, error) {
	var options []contract.Option
	for entry := range strings.SplitSeq(value, ",") {
		name, id, _ := strings.Cut(strings.TrimSpace(entry), "=")
		parts := optionName.FindStringSubmatch(name)
		if parts == nil || len(name) > 200 {
			return nil, errors.New("options as section.key=id with commas between them, such as celery.broker_url=broker, in lower case")
		}
		o := contract.Option{Section: parts[1], Key: parts[3]}
		switch {
		case choosesBackend(o.Env()) || o.Env() == multiTeam:
			return nil, errors.New("no option that says where secrets come from, since that has to be known before: leave " + name + " out")
		case isForm(o):
			return nil, errors.New("options by their own names, without _cmd and _secret at the end")
		case len(id) > 512 || !secretName.MatchString(id) || !contract.IsFilePath(id):
			return nil, errors.New("an id for each option, as section.key=id, that can be the name of a secret and of a file")
		case slices.ContainsFunc(options, func(other contract.Option) bool { return other.Env() == o.Env() }):
			return nil, errors.New("each option once")
		case slices.ContainsFunc(options, func(other contract.Option) bool { return other.ID != id && overlap(other.ID, id) }):
			return nil, errors.New("ids of which none is a folder of another")
		}
		o.ID = id
		options = append(options, o)
	}
	return options, nil
}

// isForm says whether it is no option, but a way in which Airflow takes one.
func isForm(o contract.Option) bool {
	return slices.ContainsFunc(contract.OptionNames(), func(name string) bool {
		return o.String() == name+"_cmd" || o.String() == name+"_secret"
	})
}

func parseAccount(value string) (string, error) {
	if value != "" && !contract.IsAccountID(value) {
		return "", errors.New("the 12 digits of an AWS account (in YAML put them into quotes: an unquoted number loses its leading zeros)")
	}
	return value, nil
}

func parseSharedPrefix(value string) (*prefix, error) {
	p, err := parsePrefix(value)
	return &p, err
}

func parsePattern(value string) (string, error) {
	_, err := pattern.Compile(value)
	return value, err
}

func parseResponse(value string) (contract.Response, error) {
	if !slices.Contains(contract.Responses(), contract.Response(value)) {
		return "", errors.New("fail or warn")
	}
	return contract.Response(value), nil
}

// filePath is what a file of ours may be called: what needs no quoting in a shell or in airflow.cfg.
var filePath = regexp.MustCompile(`^[A-Za-z0-9/_+.@-]{1,200}$`)

// secretID is the name or the ARN of a secret (GetSecretValue, parameter SecretId).
var secretID = regexp.MustCompile(`^([A-Za-z0-9/_+=.@-]{1,512}|arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,519})$`)

// maxFiles bounds what one annotation may ask for.
const maxFiles = 100

func parseFiles(value string) ([]contract.File, error) {
	var files []contract.File
	for entry := range strings.SplitSeq(value, ",") {
		name, from, _ := strings.Cut(strings.TrimSpace(entry), "=")
		id, key, keyed := strings.Cut(from, "#")
		if !filePath.MatchString(name) || !contract.IsFilePath(name) || !secretID.MatchString(id) || keyed && key == "" || len(files) == maxFiles {
			return nil, errors.New("1 to 100 files with commas between them, each as path=name-or-ARN or path=name-or-ARN#key, where the path is relative and " +
				"of the characters A-Z a-z 0-9 / _ + . @ - with no part that starts with two dots")
		}
		if slices.ContainsFunc(files, func(f contract.File) bool { return overlap(f.Path, name) }) {
			return nil, errors.New("different paths, none of which is a folder of another")
		}
		files = append(files, contract.File{Path: name, Secret: id, Key: key})
	}
	return files, nil
}

// overlap says whether two paths cannot both be files.
func overlap(a, b string) bool {
	return strings.HasPrefix(a+"/", b+"/") || strings.HasPrefix(b+"/", a+"/")
}

func parseRole(value string) (string, error) {
	if value != "" && !contract.IsRoleARN(value) {
		return "", errors.New("the ARN of a role such as arn:aws:iam::111122223333:role/airflow, with an account of 12 digits")
	}
	return value, nil
}

// externalID is what STS takes (AssumeRole, parameter ExternalId), beside its bounds.
var externalID = regexp.MustCompile(`^[A-Za-z0-9_+=,.@:/-]+$`)

func parseExternalID(value string) (string, error) {
	if value != "" && (len(value) < 2 || len(value) > 1224 || !externalID.MatchString(value)) {
		return "", errors.New("2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / -")
	}
	return value, nil
}

func parseSecretName(value string) (string, error) {
	if value != "" && len(validation.IsDNS1123Subdomain(value)) > 0 {
		return "", errors.New("the name of a Kubernetes Secret in the namespace of the pod, such as airflow-aws")
	}
	return value, nil
}

// keyKwargs hold access keys, which must not stand in an annotation.
var keyKwargs = []string{"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}

func parseKwargs(value string) (map[string]any, error) {
	kwargs, err := contract.ParseKwargs(value)
	if err != nil {
		return nil, errors.New("a JSON object of kwargs of SecretsManagerBackend, with its names and texts in double quotes")
	}
	for _, name := range keyKwargs {
		if _, ok := kwargs[name]; ok {
			return nil, errors.New("no " + name + ", since whoever may read pods may read annotations: put the keys into a Secret and name it in " + Prefix + "credentials-secret")
		}
	}
	return kwargs, nil
}
