package kube

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
)

// firstProcess is the argument by which a program knows that it is to be the first process of a cluster.
const firstProcess = "kube-first-process"

// space is a process, mount and network namespace with a first process in it. When that ends the kernel kills all others,
// and with the last one go mounts, links and routes.
type space struct {
	first *exec.Cmd
	stay  io.Closer // the first process ends when this is closed, so also when we are killed
}

// FirstProcess turns this program into the first process of a cluster, if it was started as that; then it does not
// return. A main that calls Start calls this before all else.
func FirstProcess() {
	if len(os.Args) != 2 || os.Args[1] != firstProcess {
		return
	}
	if err := isolateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, "isolating mounts:", err)
		os.Exit(1)
	}
	go reapOrphans()
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// hidden are folders that cannot all be set for containers and the kubelet. The cluster has its own, in memory.
var hidden = []string{"/run", "/var/lib", "/var/log"}

// isolateMounts hides what the cluster would leave on the machine: mounts are not passed on, and the hidden folders are its
// own.
func isolateMounts() error {
	if err := mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err // before all else: what is mounted from here on must not get out
	}
	if err := mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	for _, folder := range hidden {
		if err := mount("tmpfs", folder, "tmpfs", 0, "mode=755"); err != nil {
			return err
		}
	}
	return isolateSettings()
}

// settings are what a kubelet sets to its liking (setupKernelTunables in pkg/kubelet/cm/container_manager_linux.go). They
// are the whole machine's: no namespace has its own.
var settings = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// isolateSettings lets the kubelet have its way with copies. What else is set there cannot be written at all: a program that
// wants to fails, rather than leave the machine changed.
func isolateSettings() error {
	for _, folder := range []string{"/proc/sys/kernel", "/proc/sys/vm"} {
		err := errors.Join(
			mount(folder, folder, "", syscall.MS_BIND, ""),
			mount("", folder, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
		if err != nil {
			return err
		}
	}
	for _, name := range settings {
		setting, own := filepath.Join("/proc/sys", name), filepath.Join("/run", filepath.Base(name))
		value, err := os.ReadFile(setting)
		if err := errors.Join(err, os.WriteFile(own, value, 0o644), mount(own, setting, "", syscall.MS_BIND, "")); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	return wrap("mounting "+target, syscall.Mount(source, target, kind, flags, data))
}

// reapOrphans does what a first process owes the others: containerd's shims and their children come to it.
func reapOrphans() {
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	for range died {
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
		}
	}
}

// openSpace starts the first process and gives the namespaces a network.
func (n *Node) openSpace(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	first := exec.Command(self, firstProcess)
	// A process group of its own: Ctrl-C is ours to handle.
	first.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:    true,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
	}
	first.Stderr = os.Stderr
	stay, err := first.StdinPipe()
	if err != nil {
		return err
	}
	said, err := first.StdoutPipe()
	if err != nil {
		return err
	}
	if err := first.Start(); err != nil {
		return fmt.Errorf("making namespaces: %w", err)
	}
	n.space = &space{first: first, stay: stay}
	stop := context.AfterFunc(ctx, func() { first.Process.Kill() })
	defer stop()
	if _, err := bufio.NewReader(said).ReadString('\n'); err != nil {
		return fmt.Errorf("making namespaces: waiting for the first process: %w", cmp.Or(context.Cause(ctx), err))
	}
	return n.connect(ctx)
}

// end ends the first process, and so all.
func (s *space) end() {
	s.stay.Close()
	s.first.Wait()
}

// command is a program that runs in the namespaces.
func (n *Node) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	within := []string{"--target", strconv.Itoa(n.space.first.Process.Pid), "--mount", "--net", "--pid", "--", program}
	c := exec.CommandContext(ctx, "nsenter", append(within, args...)...)
	c.Env = n.Environ()
	return c
}
