package airflow

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// finderReason is a class of configurations that our finder may take otherwise than Airflow.
type finderReason struct {
	what string
	why  string
	// version says in which versions of Airflow it is met. One that is not met any more fails the test.
	version func(name string) bool
	// fits says whether a configuration is of this class: an error of ours, nil where there is none, and what Airflow says.
	fits func(v version, c configuration, err *contract.Error, a backendAnswer) bool
}

func before(version string) func(name string) bool {
	return func(name string) bool { return name < version }
}

func airflow3(name string) bool { return !airflow2(name) }

// finderReasons are all that there are: first what we refuse, then what we take though Airflow does not.
func finderReasons() []finderReason {
	return []finderReason{{
		what:    "refused: another backend",
		why:     "its secrets are not in Secrets Manager, or it is none that Airflow can load",
		version: always,
		fits: func(_ version, c configuration, err *contract.Error, a backendAnswer) bool {
			return is(err, contract.ForeignBackend) && (a.Class == envBackend || a.Failed != "" && slices.ContainsFunc(c.classes(), isForeign))
		},
	}, {
		what:    "refused: another backend where this process does not look",
		why:     "our backend takes its place as well, and the pod's other processes would miss it",
		version: always,
		fits: func(_ version, c configuration, err *contract.Error, a backendAnswer) bool {
			return is(err, contract.ForeignBackend) && a.Class != envBackend && a.Failed == "" && slices.ContainsFunc(c.classes(), isForeign)
		},
	}, {
		what:    "refused: LocalFilesystemBackend with files of its own",
		why:     "ours would take the place of these files",
		version: always,
		fits: func(_ version, c configuration, err *contract.Error, _ backendAnswer) bool {
			return is(err, contract.ForeignBackend) && strings.Contains(err.Detail, "with files of its own") &&
				slices.ContainsFunc(c.classes(), func(class string) bool { return strings.TrimSpace(class) == localBackend })
		},
	}, {
		what:    "refused: several teams",
		why:     "ids get a team's name, and files of Airflow 3.2 and 3.3 have no place for it",
		version: always,
		fits: func(_ version, _ configuration, err *contract.Error, a backendAnswer) bool {
			return is(err, contract.MultiTeam) && *a.Teams
		},
	}, {
		what:    "refused: kwargs that are no JSON object",
		why:     "Airflow warns, or not even that, and goes on without them: with other prefixes, and with other keys, than were meant",
		version: always,
		fits: func(_ version, c configuration, err *contract.Error, a backendAnswer) bool {
			return is(err, contract.InvalidKwargs) && a.Class == awsBackend && len(c.withoutVariables(a.Kwargs)) == 0 &&
				slices.ContainsFunc(c.kwargs(), func(text string) bool { return strings.TrimSpace(text) != "" })
		},
	}, {
		what:    "refused: NaN and Infinity",
		why:     "only Python takes them for JSON, and no argument can be either",
		version: always,
		fits: func(_ version, c configuration, err *contract.Error, _ backendAnswer) bool {
			return is(err, contract.InvalidKwargs) && slices.ContainsFunc(c.kwargs(), func(text string) bool {
				return strings.Contains(text, "NaN") || strings.Contains(text, "Infinity")
			})
		},
	}, {
		what:    "refused: kwargs that a command prints",
		why:     "the command is in Airflow's image, and so is what it reads",
		version: always,
		fits: func(_ version, _ configuration, err *contract.Error, a backendAnswer) bool {
			return is(err, contract.InvalidKwargs) && a.Kwargs["from"] == "command"
		},
	}, {
		what:    "refused: kwargs that the backend gives",
		why:     "Airflow asks a backend for them that needs them itself, until Python stops it; what comes of it is luck",
		version: always,
		fits: func(_ version, c configuration, err *contract.Error, a backendAnswer) bool {
			if !is(err, contract.InvalidKwargs) {
				return false
			}
			name, _, _ := strings.Cut(err.Detail, ":")
			_, beaten := c.env[strings.TrimSuffix(name, "_SECRET")]
			asked := strings.HasSuffix(strings.ToLower(name), "backend_kwargs_secret") && !beaten
			return asked && (a.Class == awsBackend || a.Failed == "RecursionError")
		},
	}, {
		what:    "refused: an option that the backend gives",
		why:     "files have no place for options yet",
		version: always,
		fits: func(_ version, c configuration, err *contract.Error, a backendAnswer) bool {
			server, _ := c.option("secrets", "backend") // for Airflow's own options before 3.2, in a task too
			return is(err, contract.OptionFromBackend) && (a.Asked || c.workers && strings.TrimSpace(server) != awsBackend)
		},
	}, {
		what:    "refused: a reference to a variable or a home directory",
		why:     "they are those of Airflow's container, which ours does not have",
		version: always,
		fits: func(_ version, c configuration, err *contract.Error, _ backendAnswer) bool {
			refers := func(value string) bool {
				return strings.HasPrefix(value, "~") || strings.Contains(value, "$TEAM") || strings.Contains(value, "${TEAM}")
			}
			return (is(err, contract.InvalidKwargs) || is(err, contract.InvalidConfigFile)) && strings.Contains(err.Error(), "own container") &&
				slices.ContainsFunc(slices.Concat(c.classes(), c.kwargs()), refers)
		},
	}, {
		what:    "refused: a value in airflow.cfg that cannot be read",
		why:     "Airflow does not start with it",
		version: always,
		fits: func(_ version, _ configuration, err *contract.Error, a backendAnswer) bool {
			return is(err, contract.InvalidConfigFile) && a.Failed == "InterpolationSyntaxError"
		},
	}, {
		what:    "taken: a class with white space around it",
		why:     "Airflow does not start with it, and does with ours in its place",
		version: always,
		fits: func(_ version, c configuration, err *contract.Error, a backendAnswer) bool {
			return !is(err, contract.ForeignBackend) && a.Failed == "AirflowConfigException" &&
				slices.ContainsFunc(c.classes(), func(class string) bool { return strings.TrimSpace(class) != class })
		},
	}, {
		what:    "taken: half of a surrogate pair in the kwargs",
		why:     "we have U+FFFD in its place; AWS has neither in a name or a key, so both find nothing",
		version: always,
		fits: func(_ version, c configuration, err *contract.Error, a backendAnswer) bool {
			return err == nil && a.Class == awsBackend && slices.ContainsFunc(c.kwargs(), half.MatchString)
		},
	}, {
		what:    "taken: an integer of more than 4300 digits in the kwargs",
		why:     "Python refuses to read it, so that Airflow warns and goes on without kwargs; no argument is such a number",
		version: always,
		fits: func(_ version, c configuration, err *contract.Error, a backendAnswer) bool {
			return err == nil && a.Class == awsBackend && len(c.withoutVariables(a.Kwargs)) == 0 && slices.ContainsFunc(c.kwargs(), hasLongInteger)
		},
	}, {
		what:    "taken: variables with single arguments, before Airflow 3.2",
		why:     "the init container does not know the version, and nobody sets them who does not mean them",
		version: before("3.2"),
		fits:    unless(func(c configuration) configuration { return c.without(isKwargVariable, neither) }),
	}, {
		what:    "taken: [workers], before Airflow 3",
		why:     "that Airflow does not know the section, and the init container does not know the version",
		version: airflow2,
		fits:    unless(configuration.withoutWorkers),
	}, {
		what:    "taken: [workers] alone, where no tasks run",
		why:     "that process of Airflow has no backend, and after the injection all of the pod have one: the settings of its workers fit better than none",
		version: airflow3,
		fits: func(v version, c configuration, err *contract.Error, a backendAnswer) bool {
			return !c.workers && a.Failed == "" && a.Class == "" && unless(configuration.withoutWorkers)(v, c, err, a)
		},
	}}
}

// half finds what generator.kwargs writes of a surrogate pair.
var half = regexp.MustCompile(`^\{"(a": "\\ud83d"|\\udE00a")`)

func is(err *contract.Error, code contract.Code) bool { return err != nil && err.Code == code }

// unless fits where both agree about the configuration that is left without what is of no account to this Airflow.
func unless(left func(configuration) configuration) func(version, configuration, *contract.Error, backendAnswer) bool {
	return func(v version, c configuration, _ *contract.Error, a backendAnswer) bool {
		rest := left(c)
		if rest.size() == c.size() {
			return false
		}
		_, err := verdict(v, rest, a)
		return err == nil
	}
}

func (c configuration) size() int { return len(c.env) + len(c.file) }

func neither(string) bool { return false }

func (c configuration) withoutWorkers() configuration {
	return c.without(
		func(name string) bool { return strings.HasPrefix(name, "AIRFLOW__WORKERS__SECRETS_BACKEND") },
		func(section string) bool { return section == "workers" })
}

func isKwargVariable(name string) bool {
	return strings.HasPrefix(name, "AIRFLOW__SECRETS__BACKEND_KWARG__") || strings.HasPrefix(name, "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__")
}

// withoutVariables are the arguments that no variable of their own has set.
func (c configuration) withoutVariables(kwargs map[string]any) map[string]any {
	kwargs = maps.Clone(kwargs)
	for name := range c.env {
		if _, key, ok := strings.Cut(name, "_KWARG__"); ok {
			delete(kwargs, strings.ToLower(key))
		}
	}
	return kwargs
}

func isForeign(class string) bool {
	return !slices.Contains([]string{"", awsBackend, localBackend}, strings.TrimSpace(class))
}

// classes are the values that count of the options with a class, kwargs those with their arguments.
func (c configuration) classes() []string { return c.values("") }

func (c configuration) kwargs() []string { return c.values("_kwargs") }

func (c configuration) values(ending string) []string {
	var all []string
	for section, option := range backendOptions {
		if value, ok := c.option(section, option+ending); ok {
			all = append(all, value)
		}
	}
	return all
}
