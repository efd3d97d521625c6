//go:build tools

// Package tools pins the conformance tester: `go build github.com/summerwind/h2spec/cmd/h2spec` here gives the version
// of go.mod, with the checksums of go.sum.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
