package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// underExec puts exec before a command, in a folder with variables as a run leaves it: beside the program.
func underExec(t *testing.T, text string, command ...string) []string {
	t.Helper()
	folder := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, self, filepath.Join(folder, contract.ExecProgram))
	if err := os.WriteFile(filepath.Join(folder, contract.EnvFile), []byte(text), 0o444); err != nil {
		t.Fatal(err)
	}
	return append([]string{filepath.Join(folder, contract.ExecProgram), contract.ExecCommand, "--"}, command...)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o555)
	if err == nil {
		_, err = io.Copy(target, source)
	}
	if err == nil {
		err = target.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// start makes a process of a command, with no more than a PATH in its environment.
func start(t *testing.T, command []string, environ ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), command[0], command[1:]...)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), beFetcher + "=1"}, environ...)
	return c
}

func TestExecSetsTheVariables(t *testing.T) {
	const text = "unset GONE\nunset NEVER_THERE\nAIRFLOW_CONN_DB='it'\\''s\nhere '\n: 'AIRFLOW_CONN_MY-D.B=x=y'\nTAKEN='ours'\nEMPTY=''\n"
	command := start(t, underExec(t, text, "cat", "/proc/self/environ"), "GONE=1", "TAKEN=theirs", "KEPT=a=b", "TAKEN=twice", "GONE=2", "LAST=")
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"PATH=" + os.Getenv("PATH"), beFetcher + "=1", "KEPT=a=b", "LAST=", "AIRFLOW_CONN_DB=it's\nhere ", "AIRFLOW_CONN_MY-D.B=x=y", "TAKEN=ours", "EMPTY="}
	if got := strings.Split(strings.TrimSuffix(string(output), "\x00"), "\x00"); !slices.Equal(got, want) {
		t.Errorf("the environment is %q, expected %q", got, want)
	}
}

// bash and dumb-init give on variables of any name, dash those of its own variables alone. Airflow's image has bash.
func TestWhichShellsGiveOnTheVariables(t *testing.T) {
	for shell, kept := range map[string]bool{"bash": true, "dash": false} {
		command := start(t, underExec(t, ": 'AIRFLOW_CONN_MY-D.B=x'\nAIRFLOW_CONN_DB='y'\n", shell, "-c", "cat /proc/self/environ; :"))
		output, err := command.Output()
		if err != nil || !bytes.Contains(output, []byte("AIRFLOW_CONN_DB=y")) || bytes.Contains(output, []byte("AIRFLOW_CONN_MY-D.B=x")) != kept {
			t.Errorf("%s gives on %q (%v), expected the name with a dash: %v", shell, output, err, kept)
		}
	}
}

// What a process may have inherited: the lines of /proc/self/status that another process's number or memory do not change.
var inherited = regexp.MustCompile(`^(Umask|State|Tgid|TracerPid|Uid|Gid|Groups|FDSize|Threads|SigBlk|SigIgn|SigCgt|Cap\w+|NoNewPrivs|Seccomp\w*|Cpus_allowed|Mems_allowed):`)

// TestExecLeavesEverythingElse compares what a program inherits, directly and under exec.
func TestExecLeavesEverythingElse(t *testing.T) {
	const look = `cat /proc/self/limits; grep . /proc/self/status; ls -l /proc/self/fd; pwd; nice; cat /proc/self/oom_score_adj`
	script := filepath.Join(t.TempDir(), "look")
	if err := os.WriteFile(script, []byte("#!/bin/bash\n"+look+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, before := range map[string]string{
		"nothing special":   "",
		"limits":            "ulimit -Sn 77; ulimit -Hn 99; ulimit -Ss 1024; ulimit -c 0;",
		"a limit of memory": "ulimit -Sv 4000000;",
		"umask and folder":  "umask 027; cd /usr;",
		"open files":        "exec 5</etc/passwd 6>/dev/null 8<>/dev/null;",
		"priority":          "renice -n 3 $$ >/dev/null;",
		"signals ignored":   "trap '' HUP INT;",
	} {
		t.Run(name, func(t *testing.T) {
			see := func(command []string) []string {
				return seen(t, start(t, append([]string{"bash", "-c", before + ` exec "$@"`, "bash"}, command...)))
			}
			direct, under := see([]string{script}), see(underExec(t, "", script))
			if !slices.Equal(direct, under) {
				t.Errorf("directly\n%s\nunder exec\n%s", strings.Join(direct, "\n"), strings.Join(under, "\n"))
			}
			if len(direct) < 30 {
				t.Errorf("only %d lines are compared", len(direct))
			}
		})
	}
	t.Run("signals blocked", func(t *testing.T) {
		see := func(command []string) []string {
			return seen(t, start(t, append([]string{"env", "--block-signal=USR1,USR2"}, command...)))
		}
		cat := []string{"cat", "/proc/self/status"}
		direct, under := see(cat), see(underExec(t, "", cat...))
		if !slices.Equal(direct, under) || !slices.ContainsFunc(direct, func(line string) bool { return line == "SigBlk:\t0000000000000a00" }) {
			t.Errorf("directly\n%s\nunder exec\n%s", strings.Join(direct, "\n"), strings.Join(under, "\n"))
		}
	})
}

// seen is what a command prints of itself, without what no two processes share.
func seen(t *testing.T, command *exec.Cmd) []string {
	t.Helper()
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	inStatus := regexp.MustCompile(`^\w+:\t`)
	_, listed, _ := strings.Cut(string(output), "total 0")
	unique := regexp.MustCompile(`.* (\d+) -> |/proc/\d+|\[\d+\]`)
	for line := range strings.Lines(strings.Replace(string(output), listed, unique.ReplaceAllString(listed, "$1 "), 1)) {
		line = strings.TrimSuffix(line, "\n")
		if !inStatus.MatchString(line) || inherited.MatchString(line) && !strings.HasPrefix(line, "Tgid:") {
			lines = append(lines, line)
		}
	}
	return lines
}

// The process stays the same one: whoever started it signals the command, and has its exit code.
func TestExecIsTheSameProcess(t *testing.T) {
	command := start(t, underExec(t, "A='7'\n", "bash", "-c", `trap 'exit $A' TERM; echo $$; while :; do sleep 0.01; done`))
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 32)
	n, err := stdout.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(line[:n])); got != strconv.Itoa(command.Process.Pid) {
		t.Errorf("the command is process %s, expected %d", got, command.Process.Pid)
	}
	command.Process.Signal(syscall.SIGTERM)
	command.Wait()
	if exit := command.ProcessState.ExitCode(); exit != 7 {
		t.Errorf("exit %d, expected that of the command's own handler, 7", exit)
	}
	killed := start(t, underExec(t, "", "bash", "-c", "kill -KILL $$"))
	killed.Run()
	if status := killed.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("status is %v, expected the signal", status)
	}
}

func TestExecSaysWhyItCannot(t *testing.T) {
	folder := t.TempDir()
	put := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain, text := put("plain", "x", 0o644), put("text", "no program\n", 0o755)
	orphan := put("orphan", "#!/nowhere/python\n", 0o755)
	const secret = "c4n4ry"
	tests := map[string]struct {
		text    string
		command []string
		exit    int
		says    []string
	}{
		"not there":           {"", []string{"no-such-command", "x"}, 127, []string{`"no-such-command"`, "PATH (" + folder + ":", "airflow-secrets/entrypoint"}},
		"no name":             {"", []string{""}, 127, []string{`""`}},
		"not there, a path":   {"", []string{folder + "/none"}, 127, []string{folder + "/none", "no such file", "if the pod does not name this command and its image has another entrypoint, set airflow-secrets/entrypoint"}},
		"below a file":        {"", []string{plain + "/none"}, 127, []string{"no such file"}},
		"a folder":            {"", []string{folder}, 126, []string{folder, "folder", "permission denied", "airflow-secrets/entrypoint"}},
		"not executable":      {"", []string{plain}, 126, []string{plain, "may execute"}},
		"not, found in PATH":  {"", []string{"plain"}, 126, []string{plain, "may execute"}},
		"no program":          {"", []string{text}, 126, []string{text, "#!", "airflow-secrets/entrypoint"}},
		"no interpreter":      {"", []string{orphan}, 127, []string{orphan, "interpreter", "airflow-secrets/entrypoint"}},
		"a variable too long": {"AIRFLOW_CONN_A='" + strings.Repeat(secret, 30_000) + "'\n", []string{"true"}, 126, []string{"AIRFLOW_CONN_A has 180016 bytes", "131072"}},
		"too many":            {many(120_000, secret), []string{"true"}, 126, []string{"bytes, and Linux takes", "airflow-secrets/deliver"}},
		"a broken file":       {"A='x'\n" + secret + "\n", []string{"true"}, 125, []string{contract.EnvFile + ": line 2: expected NAME='value'"}},
		"half a file":         {"A='" + secret, []string{"true"}, 125, []string{"line 1"}},
		"PATH is not set":     {"unset PATH\n", []string{"no-such-command"}, 127, []string{"PATH (/bin:/usr/bin)"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			command := start(t, underExec(t, test.text, test.command...))
			command.Env[0] = "PATH=" + folder + ":/bin:/usr/bin"
			var stdout, stderr bytes.Buffer
			command.Stdout, command.Stderr = &stdout, &stderr
			command.Run()
			if exit := command.ProcessState.ExitCode(); exit != test.exit || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("exit %d, stdout %q, stderr %.500q, expected exit %d and one line", exit, &stdout, &stderr, test.exit)
			}
			for _, part := range append(test.says, "fetcher exec: ") {
				if !strings.Contains(stderr.String(), part) {
					t.Errorf("stderr is %.500q, expected %q in it", &stderr, part)
				}
			}
			if strings.Contains(stderr.String(), secret) {
				t.Errorf("stderr shows a value: %.500q", &stderr)
			}
		})
	}
}

// A container may run as another user than the init container that has written the file.
func TestExecAsAUserWhoMayNotReadTheFile(t *testing.T) {
	command := underExec(t, "A='x'\n", "true")
	folder := filepath.Dir(command[0])
	var attributes *syscall.SysProcAttr
	mode := os.FileMode(0o400)
	if os.Getuid() == 0 {
		attributes = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 50_001, Gid: 50_001}}
		os.Chmod(filepath.Dir(folder), 0o755)
	} else {
		mode = 0 // nobody else can be become
	}
	os.Chmod(filepath.Join(folder, contract.EnvFile), mode)
	process := start(t, command)
	process.SysProcAttr = attributes
	var stderr bytes.Buffer
	process.Stderr = &stderr
	process.Run()
	user := os.Getuid()
	if attributes != nil {
		user = int(attributes.Credential.Uid)
	}
	if exit := process.ProcessState.ExitCode(); exit != 125 || strings.Contains(stderr.String(), contract.ExecVolumeName) {
		t.Errorf("exit %d, stderr %q, expected exit 125 and nothing of a volume that is not there", exit, &stderr)
	}
	if want := fmt.Sprintf("%s: permission denied: user %d may not read it: airflow-secrets/file-mode", contract.EnvFile, user); !strings.Contains(stderr.String(), want) {
		t.Errorf("stderr is %q, expected %q in it", &stderr, want)
	}
}

// many are a hundred variables of so many bytes each: together more than Linux ever takes.
func many(size int, text string) string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "AIRFLOW_CONN_C%d='%s'\n", i, strings.Repeat(text, size/len(text)))
	}
	return b.String()
}

// The kernel's own limit of all variables is where the sentence says, whatever the stack's is.
func TestExecKnowsTheKernelsLimit(t *testing.T) {
	for stack, limit := range map[string]int{"256": 128 << 10, "8192": 2 << 20, "unlimited": 6 << 20} {
		t.Run(stack, func(t *testing.T) {
			try := func(size int) string {
				var text strings.Builder
				const each = 16 << 10
				for i := range size / each {
					name := fmt.Sprintf("AIRFLOW_CONN_%04d", i)
					fmt.Fprintf(&text, "%s='%s'\n", name, strings.Repeat("x", each-len(name+"=")-9)) // and a NUL, and a pointer
				}
				command := start(t, append([]string{"bash", "-c", "ulimit -Ss " + stack + ` && exec "$@"`, "bash"}, underExec(t, text.String(), "true")...))
				output, _ := command.CombinedOutput()
				return string(output)
			}
			if said := try(limit - 32<<10); said != "" {
				t.Errorf("with 32 KiB less it does not start: %s", said)
			}
			if said, want := try(limit), fmt.Sprintf("bytes, and Linux takes %d:", limit); !strings.Contains(said, want) {
				t.Errorf("it says %q, expected %q", said, want)
			}
		})
	}
}

// A command that may not be run is passed over for a later one of its name.
func TestExecLooksFurther(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	os.WriteFile(filepath.Join(first, "airflow"), []byte("x"), 0o644)
	os.WriteFile(filepath.Join(second, "airflow"), []byte("#!/bin/sh\necho \"$0 $1\"\n"), 0o755)
	command := start(t, underExec(t, "", "airflow", "worker"))
	command.Env[0] = "PATH=/nowhere:" + first + "::" + second
	output, err := command.Output()
	if want := second + "/airflow worker\n"; err != nil || string(output) != want {
		t.Errorf("it ran %q (%v), expected %q", output, err, want)
	}
}
