// Runs scenarios with the Go client: interop <server> <strict server> <name>...
//
// Prints one JSON line per scenario. {"ask":"restart"} asks the runner to kill and restart the server; the line
// "restarted" on standard input says that it has.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

var scenarios = map[string]func(*world) (string, error){
	"register":         register,
	"deregister":       deregister,
	"batch":            batch,
	"subscribe":        subscribe,
	"select":           selectHealthy,
	"metadata":         metadata,
	"metadata-refused": metadataRefused,
	"persistent":       persistent,
	"groups":           groups,
	"namespaces":       namespaces,
	"clusters":         clusters,
	"services":         services,
	"thousand":         thousand,
	"restart":          restart,
}

func main() {
	world, err := newWorld(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, name := range os.Args[3:] {
		scenario, known := scenarios[name]
		if !known {
			fmt.Fprintln(os.Stderr, "no scenario", name)
			os.Exit(2)
		}
		detail, err := scenario(world)
		if err != nil {
			detail = err.Error()
		}
		say(map[string]any{"name": name, "ok": err == nil, "detail": detail})
	}
}

func say(line map[string]any) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}
