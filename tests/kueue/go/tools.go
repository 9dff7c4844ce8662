//go:build tools

// Package kueue pins Kueue, in a module apart from the cluster's: it is built against another version of Kubernetes.
package kueue

import _ "sigs.k8s.io/kueue/cmd/kueue"
