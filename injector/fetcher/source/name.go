package source

import (
	"cmp"
	"os"
	"regexp"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// sessionName shows in CloudTrail, and to policies as sts:RoleSessionName, which pod a call came from.
func sessionName() string {
	host, _ := os.Hostname() // a pod's host name is its name, cut at 63 characters
	pod := cmp.Or(os.Getenv(contract.PodEnv), host)
	return nameSession(os.Getenv(contract.NamespaceEnv), pod, os.Getenv(contract.DAGEnv), os.Getenv(contract.TaskEnv))
}

// The bounds of RoleSessionName, from the STS API reference.
const maxSessionName = 64

var notForSessionNames = regexp.MustCompile(`[^A-Za-z0-9_+=.@-]`) // the comma, which is legal too, is ours

// nameSession is NAMESPACE,POD and, in the pod of a task, ,DAG,TASK. The comma is in none of the parts, so the name can be
// taken apart again. Characters that are not legal become underscores.
//
// Where the whole is too long, the longest part is cut first. It keeps its start; a pod's name keeps its end, by which one
// pod differs from the next, and which starts with what DAG and task say already.
func nameSession(namespace, pod, dag, task string) string {
	const podAt = 1
	parts := []string{cmp.Or(namespace, "airflow-secrets"), cmp.Or(pod, "unknown-pod"), dag, task}
	for parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	lengths := make([]int, len(parts))
	for i, part := range parts {
		parts[i] = notForSessionNames.ReplaceAllString(part, "_")
		lengths[i] = len(parts[i])
	}
	fit(lengths, maxSessionName-(len(parts)-1))
	for i, part := range parts {
		if i == podAt {
			parts[i] = part[len(part)-lengths[i]:]
		} else {
			parts[i] = part[:lengths[i]]
		}
	}
	return strings.Join(parts, ",")
}

// fit shortens the longest first, until all have room together.
func fit(lengths []int, room int) {
	sum := 0
	for _, length := range lengths {
		sum += length
	}
	for ; sum > room; sum-- {
		longest := 0
		for i, length := range lengths {
			if length > lengths[longest] {
				longest = i
			}
		}
		lengths[longest]--
	}
}
