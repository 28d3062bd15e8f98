package fetcher

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/airflowcfg"
)

// Setup is what a run is about to do.
type Setup struct {
	contract.Config
	// Former is the backend whose keyword arguments are in the Config already.
	Former contract.Backend

	program string   // Options.Program
	limits  Limits   // of Airflow's containers
	unset   []string // variables that Airflow must not have
}

// Configure reads what the webhook wrote, and puts into it what it could not see: the backend that the pod has had until
// now, in the container's environment and in its airflow.cfg. Its errors are *contract.Error; they show no value of a
// variable or a file, since any may be a key.
func Configure(o Options) (Setup, error) {
	env := variables(o.Environ)
	text, ok := env[contract.ConfigEnv]
	if !ok {
		return Setup{}, &contract.Error{Code: contract.InvalidConfig, Detail: contract.ConfigEnv + " is not set"}
	}
	config, err := contract.Decode(text)
	if err != nil {
		return Setup{Config: config}, err
	}
	setup := Setup{Config: config}
	if config.TakeOver != nil {
		setup, err = takeOver(o, env, config)
	}
	setup.program, setup.limits = o.Program, cmp.Or(o.Limits, limitsHere())
	return setup, err
}

func takeOver(o Options, env map[string]string, config contract.Config) (Setup, error) {
	if err := checkOverrides(env, config); err != nil {
		return Setup{}, err
	}
	unset := hiding(env, config)
	if err := checkOptions(env, config.Options, unset); err != nil {
		return Setup{}, err
	}
	config.Warnings = append(config.Warnings, unsetWarning(unset)...)
	places, err := places(o, env, config.TakeOver.ConfigFile)
	if err != nil {
		return Setup{}, err
	}
	config.Warnings = append(config.Warnings, unseen(env, config.TakeOver.ConfigFile)...)
	finder := contract.Finder{Places: places, Env: env, Workers: config.TakeOver.Workers, Options: config.Options}
	former, err := finder.Find()
	if err != nil {
		return Setup{}, err
	}
	if former.Name != "" {
		if config, err = follow(former, config, env); err != nil {
			return Setup{}, err
		}
	}
	config, err = config.Settled()
	return Setup{Config: config, Former: former, unset: unset}, err
}

// follow takes the backend's arguments, and the region that boto3 would take: AWS_DEFAULT_REGION, where AWS's other SDKs look
// at AWS_REGION first.
func follow(former contract.Backend, config contract.Config, env map[string]string) (contract.Config, error) {
	endpoint := config.Accounts[0].EndpointURL
	taken, warnings, err := config.TakeKwargs(former)
	if err != nil {
		return contract.Config{}, err
	}
	own := &taken.Accounts[0]
	if own.EndpointURL != endpoint && strings.HasPrefix(strings.ToLower(own.EndpointURL), "http:") {
		warnings = append(warnings, "the kwarg endpoint_url is http: secrets cross the network unencrypted")
	}
	own.Region = cmp.Or(own.Region, env["AWS_DEFAULT_REGION"])
	taken.Warnings = slices.Concat(config.Warnings, warnings)
	return taken, nil
}

// places are where Airflow looks for its options: the environment first, then airflow.cfg, where it has one.
func places(o Options, env map[string]string, configFile string) ([]contract.Lookup, error) {
	inEnv := contract.InEnv(func(name string) (string, bool) { value, ok := env[name]; return value, ok })
	all := []contract.Lookup{selfContained(inEnv)}
	if configFile == "" {
		return all, nil
	}
	text, err := o.ReadFile(configFile)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil // as Airflow, which goes on with its defaults
	}
	if err != nil {
		return nil, &contract.Error{Code: contract.InvalidConfigFile, Err: err}
	}
	file, err := airflowcfg.Parse(string(text))
	if err != nil {
		return nil, &contract.Error{Code: contract.InvalidConfigFile, Detail: configFile, Err: err}
	}
	return append(all, inFile(file, configFile)), nil
}

// unseen warns of an airflow.cfg elsewhere than where the webhook could see it: this container has the variables that move it
// only where they come from Secrets and ConfigMaps.
func unseen(env map[string]string, configFile string) []string {
	seen := cmp.Or(configFile, path.Join(contract.AirflowHome, "airflow.cfg"))
	for name, file := range map[string]string{"AIRFLOW_CONFIG": "", "AIRFLOW_HOME": "airflow.cfg"} {
		value, ok := env[name]
		if elsewhere := path.Join(value, file); ok && value != "" && elsewhere != seen {
			return []string{fmt.Sprintf("%s comes from a Secret or ConfigMap and says that airflow.cfg is %s, which is not seen: write %s out in env, or give the settings of its secrets backend in annotations", name, elsewhere, name)}
		}
	}
	return nil
}

// inFile looks options up in airflow.cfg.
func inFile(file airflowcfg.File, name string) contract.Lookup {
	return func(section, option string) (string, string, error) {
		called := fmt.Sprintf("[%s] %s of %s", section, option, path.Base(name))
		value, ok, err := file.Get(section, option)
		switch {
		case err != nil:
			return "", called, &contract.Error{Code: contract.InvalidConfigFile, Detail: called, Err: err}
		case !ok:
			return "", "", nil
		}
		return value, called, nil
	}
}

// selfContained refuses values in which Airflow would put other variables: this container does not have them.
func selfContained(in contract.Lookup) contract.Lookup {
	return func(section, option string) (string, string, error) {
		value, name, err := in(section, option)
		if err == nil && name != "" {
			if err := airflowcfg.SelfContained(value); err != nil {
				return "", name, &contract.Error{Code: contract.InvalidKwargs, Detail: name, Err: err}
			}
		}
		return value, name, err
	}
}

// checkOverrides refuses variables that come by envFrom, so that no patch could take them from Airflow, and that give
// LocalFilesystemBackend an argument that it does not know: Airflow 3.2 and later would not start. With delivery by
// environment variables Airflow has no backend to give it to.
func checkOverrides(env map[string]string, config contract.Config) error {
	if config.Deliver == contract.DeliverEnv {
		return nil
	}
	var problems []string
	for _, of := range contract.BackendEnv() {
		for name := range env {
			if strings.HasPrefix(name, of.KwargPrefix) && !slices.Contains(config.TakeOver.Moved, name) {
				problems = append(problems, fmt.Sprintf("%s comes from a Secret or ConfigMap that the pod's envFrom names, and gives an argument to "+
					"LocalFilesystemBackend, which does not know it: move it into %s", name, of.Kwargs))
			}
		}
	}
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(problems)
	return &contract.Error{Code: contract.InvalidKwargs, Detail: strings.Join(problems, "; ")}
}

// checkOptions refuses variables that come by envFrom and that Airflow prefers to the command which gives it the secret: the
// option itself, and for one that it has taken from the backend until now also another command. Those that are unset it does
// not have.
func checkOptions(env map[string]string, options []contract.Option, unset []string) error {
	var problems []string
	for _, o := range options {
		rivals := o.Rivals()
		if o.Former {
			rivals = append(rivals, o.Env()+"_CMD")
		}
		for _, name := range rivals {
			if _, ok := env[name]; ok && !replaced(options, name) && !slices.Contains(unset, name) {
				problems = append(problems, fmt.Sprintf("%s comes from a Secret or ConfigMap that the pod's envFrom names, and Airflow prefers it to the secret %s: "+
					"remove it from there, or leave the option to it", name, o.ID))
			}
		}
	}
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(problems)
	return &contract.Error{Code: contract.OptionOverridden, Detail: strings.Join(problems, "; ")}
}

// hiding lists those of the same variables that fetcher exec takes from Airflow, since an annotation wants the secret in
// their place. An option that a command gives is none of them: it is for probes as well, which do not start by exec and would
// see another one than Airflow does.
func hiding(env map[string]string, config contract.Config) (unset []string) {
	if config.Deliver != contract.DeliverEnv {
		return nil
	}
	for _, o := range config.Options {
		name := o.Env()
		if _, ok := env[name]; ok && !o.FromCommand() && !replaced(config.Options, name) && !slices.Contains(unset, name) {
			unset = append(unset, name)
		}
	}
	slices.Sort(unset)
	return unset
}

// unsetWarning tells who still has them: what does not start by fetcher exec.
func unsetWarning(unset []string) []string {
	if len(unset) == 0 {
		return nil
	}
	come := "comes"
	if len(unset) > 1 {
		come = "come"
	}
	return []string{fmt.Sprintf("%s %s from a Secret or ConfigMap that the pod's envFrom names: Airflow gets the secret instead, but probes and kubectl exec "+
		"still see what is there: remove it from there", strings.Join(unset, ", "), come)}
}

// replaced says whether a variable is one that Airflow's containers have anew, for another option.
func replaced(options []contract.Option, name string) bool {
	return slices.ContainsFunc(options, func(o contract.Option) bool {
		return !o.Former && (name == o.Env()+"_CMD" || name == o.Env()+"_SECRET")
	})
}

// variables maps the names of an environment to its values. Of a name that is there twice the last one counts, as in os/exec.
func variables(environ []string) map[string]string {
	all := make(map[string]string, len(environ))
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		all[name] = value
	}
	return all
}
