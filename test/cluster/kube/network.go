package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
)

// network is the addresses of one cluster: 10.N.0.0/16 with an N that nothing here uses yet, so that two clusters on one
// machine, or what another run has left, are not in each other's way.
type network struct{ n int }

func (w network) pods() string      { return fmt.Sprintf("10.%d.0.0/18", w.n) }
func (w network) services() string  { return fmt.Sprintf("10.%d.64.0/18", w.n) }
func (w network) both() string      { return fmt.Sprintf("10.%d.0.0/17", w.n) }
func (w network) apiServer() string { return fmt.Sprintf("10.%d.64.1", w.n) } // the first Service address
func (w network) machine() string   { return fmt.Sprintf("10.%d.255.1", w.n) }
func (w network) node() string      { return fmt.Sprintf("10.%d.255.2", w.n) }
func (w network) all() string       { return fmt.Sprintf("10.%d.0.0/16", w.n) }
func (w network) link() string      { return fmt.Sprintf("asecrets%d", w.n) }

// Environ is the environment of a program that speaks to the cluster: this machine's, with no proxy between them.
func (n *Node) Environ() []string {
	direct := n.network.all() + ",.svc" // as which the API server calls webhooks
	if set := cmp.Or(os.Getenv("NO_PROXY"), os.Getenv("no_proxy")); set != "" {
		direct = set + "," + direct
	}
	return append(os.Environ(), "NO_PROXY="+direct, "no_proxy="+direct)
}

// connect makes one link between the machine and the node. Through it the machine reaches the API server, pods and
// Services; nothing in the cluster gets further than the machine.
func (n *Node) connect(ctx context.Context) error {
	pid := strconv.Itoa(n.space.first.Process.Pid)
	for number := 128; number < 255; number++ {
		n.network = network{number}
		taken, err := inUse(ctx, n.network.all())
		if err != nil {
			return err
		}
		if taken {
			continue
		}
		// The link's name is the claim: whoever makes it first has the number.
		_, err = command.Run(ctx, "ip", "link", "add", n.network.link(), "type", "veth", "peer", "name", "eth0", "netns", pid)
		if err == nil {
			return n.address(ctx)
		}
		if !strings.Contains(err.Error(), "exists") {
			return err
		}
	}
	return errors.New("every network 10.128.0.0/16 to 10.254.0.0/16 is in use here, expected a free one")
}

// inUse looks for a route to a part of the addresses, as there is one to each address of this machine, too. One that leads
// to more than them, such as a VPN's to 10.0.0.0/8, is none: what is behind it cannot be seen, and ours go first.
func inUse(ctx context.Context, addresses string) (bool, error) {
	routes, err := command.Run(ctx, "ip", "-4", "route", "show", "table", "all", "root", addresses)
	return routes != "", err
}

func (n *Node) address(ctx context.Context) error {
	w := n.network
	for _, step := range []*exec.Cmd{
		exec.CommandContext(ctx, "ip", "address", "add", w.machine()+"/30", "dev", w.link()),
		exec.CommandContext(ctx, "ip", "link", "set", w.link(), "up"),
		n.command(ctx, "ip", "link", "set", "lo", "up"),
		n.command(ctx, "ip", "address", "add", w.node()+"/30", "dev", "eth0"),
		n.command(ctx, "ip", "link", "set", "eth0", "up"),
		n.command(ctx, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"),
		exec.CommandContext(ctx, "ip", "route", "add", w.both(), "via", w.node()),
	} {
		if _, err := command.Finish(step); err != nil {
			return err
		}
	}
	return nil
}
