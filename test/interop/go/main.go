// Runs scenarios with the Go client: interop <server> <strict server> <name>...
//
// Prints one JSON line per scenario. A line {"ask": …} asks the runner for something, which it answers with a line on
// standard input. interop drive <addresses> is told what to do instead.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
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

var configScenarios = map[string]func(*configs) (string, error){
	"config-publish":  configPublish,
	"config-cas":      configCas,
	"config-listen":   configListen,
	"config-contents": configContents,
	"config-large":    configLarge,
	"config-many":     configMany,
	"config-beta":     configBeta,
	"config-tag":      configTag,
	"config-tenants":  configTenants,
	"config-remove":   configRemove,
	"config-type":     configType,
	"config-history":  configHistory,
	"config-restart":  configRestart,
}

func main() {
	if os.Args[1] == "drive" {
		if err := drive(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	naming := sync.OnceValues(func() (*world, error) { return newWorld(os.Args[1], os.Args[2]) })
	configuration := sync.OnceValues(func() (*configs, error) { return newConfigs(os.Args[1]) })
	for _, name := range os.Args[3:] {
		detail, err := run(name, naming, configuration)
		if err != nil {
			detail = err.Error()
		}
		say(map[string]any{"name": name, "ok": err == nil, "detail": detail})
	}
}

func run(name string, naming func() (*world, error), configuration func() (*configs, error)) (string, error) {
	if scenario, known := scenarios[name]; known {
		world, err := naming()
		if err != nil {
			return "", err
		}
		return scenario(world)
	}
	if scenario, known := configScenarios[name]; known {
		configs, err := configuration()
		if err != nil {
			return "", err
		}
		return scenario(configs)
	}
	return "", fmt.Errorf("no scenario %s", name)
}

func say(line map[string]any) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}
