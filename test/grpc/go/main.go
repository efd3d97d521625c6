// Runs scenarios with grpc-go: client <plain> <tls> <gzip> <pings> <ca file> <name>..., where the servers are
// host:port. Prints `ok NAME` or `not ok NAME reason` for each.
package main

import (
	"fmt"
	"os"
	"strings"
)

// servers are where the test service listens.
type servers struct{ plain, tls, gzip, pings, caFile string }

func main() {
	args := os.Args[1:]
	at := servers{plain: args[0], tls: args[1], gzip: args[2], pings: args[3], caFile: args[4]}
	for _, name := range args[5:] {
		if err := run(name, at); err != nil {
			fmt.Printf("not ok %s %s\n", name, strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Printf("ok %s\n", name)
		}
	}
}

func run(name string, at servers) error {
	scenario, known := scenarios[name]
	if !known {
		return fmt.Errorf("no such scenario")
	}
	echo, err := connect(at.plain)
	if err != nil {
		return err
	}
	defer echo.conn.Close()
	return scenario(echo, at)
}
