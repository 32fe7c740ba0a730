//go:build tools

// This module pins the Kubernetes programs that the test cluster consists of. Nothing is compiled
// from this file: the import lines make `go mod tidy` keep what `go build` needs, and go.sum proves
// it.
package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kube-proxy"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
	_ "k8s.io/kubernetes/cmd/kubectl"
	_ "k8s.io/kubernetes/cmd/kubelet"
)
