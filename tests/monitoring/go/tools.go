//go:build tools

// Package tools pins the programs that check the chart's alerts and dashboard. Its graph is not that of the cluster's programs, so that
// another version of Prometheus builds no cluster anew.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
