package injector

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// crossProblems are mistakes that several settings make together.
func (s *settings) crossProblems() []problem {
	var problems []problem
	mistake := func(key, expected, found string) {
		problems = append(problems, problem{code: contract.InvalidAnnotations, subject: s.subject(key), expected: expected, found: found})
	}
	for _, pair := range exclusive {
		if s.annotated(pair[0]) && s.annotated(pair[1]) {
			mistake(pair[0], "it or "+Prefix+pair[1]+", not both", "both")
		}
	}
	for _, kind := range []string{"connections", "variables"} {
		n := s.namesOf(kind)
		switch {
		case n.prefix.off && len(n.ids) > 0:
			mistake(kind, "a prefix for the ids in "+Prefix+kind+"-prefix", "none")
		case n.prefix.isNothing(s.separator) && !n.prefix.off && len(n.ids) == 0:
			mistake(kind+"-prefix", "more than separators, such as airflow/"+kind+", or the ids in "+Prefix+kind+" where a name is the bare id", shown(n.prefix.text))
		}
	}
	if s.externalID != "" && s.roleARN == "" {
		mistake("external-id", "the role that asks for it in "+Prefix+"role-arn", "none")
	}
	if s.shared.externalID != "" && s.shared.roleARN == "" {
		mistake("shared-external-id", "the role that asks for it in "+Prefix+"shared-role-arn", "none")
	}
	if id := contract.AccountOf(s.shared.roleARN); id != "" && s.shared.account != "" && id != s.shared.account {
		mistake("shared-role-arn", "a role of the account "+s.shared.account+" in "+Prefix+"shared-account", "one of "+id)
	}
	if len(s.options) > 0 && s.config.prefix.off {
		mistake("config", "a prefix for the ids in "+Prefix+"config-prefix", "none")
	}
	if names := s.unfitOptions(); len(names) > 0 && s.deliver != contract.DeliverEnv {
		mistake("config", "options that Airflow takes from a command: "+strings.Join(contract.OptionNames(), ", ")+
			" (any other one needs environment variables: "+Prefix+"deliver: env)", shown(strings.Join(names, ", ")))
	}
	return slices.Concat(problems, s.variableProblems(), s.kwargsProblems())
}

// variableProblems are ids that no variable can be named after, or that share one: Airflow writes them in upper case. The
// same id in both accounts is no mistake: one backs up the other.
func (s *settings) variableProblems() (problems []problem) {
	if s.deliver != contract.DeliverEnv {
		return nil
	}
	for _, kind := range []string{"connections", "variables"} {
		taken := map[string]string{} // name → id
		for _, from := range []struct {
			key string
			ids []string
		}{{kind, s.namesOf(kind).ids}, {"shared-" + kind, s.sharedOf(kind).ids}} {
			for _, id := range from.ids {
				name := strings.ToUpper(id)
				if expected, found := s.unfitID(id, taken[name]); expected != "" {
					problems = append(problems, problem{code: contract.InvalidAnnotations, subject: s.subject(from.key), expected: expected, found: found})
				}
				taken[name] = id
			}
		}
	}
	return problems
}

// unfitID says what was expected instead of an id, and what was found; nothing where it has a variable for itself. Another id
// of the same name may have come before it.
func (s *settings) unfitID(id, other string) (expected, found string) {
	switch {
	case strings.Contains(id, "=") && s.onInvalid != contract.Warn: // else the fetcher leaves it out and says so
		return "ids without an equals sign, which no variable can have in its name: leave it out, or deliver files", id
	case other != "" && other != id:
		return "ids that differ in more than upper and lower case, since the names of variables have no lower case: rename one, or deliver files", other + " and " + id
	}
	return "", ""
}

// unfitOptions are those that files cannot give to Airflow.
func (s *settings) unfitOptions() []string {
	var names []string
	for _, o := range s.options {
		if !o.FromCommand() {
			names = append(names, o.String())
		}
	}
	return names
}

// kwargsProblems are those of the annotation backend-kwargs.
func (s *settings) kwargsProblems() []problem {
	if s.kwargs == nil {
		return nil
	}
	const key = "backend-kwargs"
	for _, name := range slices.Sorted(maps.Keys(s.kwargs)) {
		if setting := contract.KwargSetting(name); setting != "" && s.annotated(setting) {
			return []problem{{code: contract.InvalidAnnotations, subject: Prefix + key, expected: name + " or the annotation " + Prefix + setting + ", not both", found: "both"}}
		}
	}
	if _, err := s.contract(former{options: s.options}); err != nil {
		return []problem{{code: contract.InvalidAnnotations, says: Prefix + key + ": " + details(err)}}
	}
	return nil
}

// details are an error's without the sentence of its code.
func details(err error) string {
	var why *contract.Error
	if errors.As(err, &why) {
		return why.Details()
	}
	return err.Error()
}
