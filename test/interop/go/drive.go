package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

// order is what the application is told to do.
type order struct {
	ID      int    `json:"id"`
	Do      string `json:"do"`
	Service string `json:"service"`
	IP      string `json:"ip"`
	Port    uint64 `json:"port"`
	DataID  string `json:"dataId"`
	Content string `json:"content"`
}

// application is made of clients that know a whole cluster; that of configurations is made when it is needed.
type application struct {
	naming  naming_client.INamingClient
	configs func() (config_client.IConfigClient, error)
}

// serverConfigs reads addresses as they stand in a list: with commas between them.
func serverConfigs(addresses string) ([]constant.ServerConfig, error) {
	var servers []constant.ServerConfig
	for _, address := range strings.Split(addresses, ",") {
		host, portText, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		port, err := strconv.ParseUint(portText, 10, 16)
		if err != nil {
			return nil, err
		}
		servers = append(servers, *constant.NewServerConfig(host, port))
	}
	return servers, nil
}

// drive is an application that does what it is told on standard input for as long as that is open, with the addresses
// of a whole cluster: see test/cluster/lib/driver.ts.
func drive(addresses string) error {
	servers, err := serverConfigs(addresses)
	if err != nil {
		return err
	}
	param := vo.NacosClientParam{
		ServerConfigs: servers,
		ClientConfig: constant.NewClientConfig(
			constant.WithNotLoadCacheAtStart(true),
			constant.WithUpdateCacheWhenEmpty(true),
			constant.WithDisableUseSnapShot(true),
			constant.WithCacheDir("cache"),
			constant.WithLogDir("log"),
		),
	}
	naming, err := clients.NewNamingClient(param)
	if err != nil {
		return err
	}
	app := application{naming, sync.OnceValues(func() (config_client.IConfigClient, error) {
		return clients.NewConfigClient(param)
	})}
	say(map[string]any{"ready": true})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var told order
		if err := json.Unmarshal(lines.Bytes(), &told); err != nil {
			return err
		}
		if err := app.follow(told); err != nil {
			say(map[string]any{"done": told.ID, "error": err.Error()})
		} else {
			say(map[string]any{"done": told.ID})
		}
	}
	return lines.Err()
}

func (a application) follow(told order) error {
	naming := a.naming
	switch told.Do {
	case "register":
		param := instance(told.Service, told.IP)
		param.Port = told.Port
		return accepted(naming.RegisterInstance(param))
	case "deregister":
		return accepted(naming.DeregisterInstance(vo.DeregisterInstanceParam{
			ServiceName: told.Service, Ip: told.IP, Port: told.Port, Ephemeral: true}))
	case "subscribe":
		return naming.Subscribe(&vo.SubscribeParam{ServiceName: told.Service, GroupName: group,
			SubscribeCallback: func(instances []model.Instance, err error) { show(told.Service, instances) }})
	case "publish":
		configs, err := a.configs()
		if err != nil {
			return err
		}
		return accepted(configs.PublishConfig(vo.ConfigParam{DataId: told.DataID, Group: group, Content: told.Content}))
	case "listen":
		configs, err := a.configs()
		if err != nil {
			return err
		}
		return configs.ListenConfig(vo.ConfigParam{DataId: told.DataID, Group: group,
			OnChange: func(_, _, dataID, content string) { say(map[string]any{"dataId": dataID, "content": content}) }})
	default:
		return fmt.Errorf("nobody knows how to %s", told.Do)
	}
}

func show(service string, instances []model.Instance) {
	hosts := []map[string]any{}
	for _, i := range instances {
		hosts = append(hosts, map[string]any{"address": fmt.Sprintf("%s:%d", i.Ip, i.Port), "healthy": i.Healthy})
	}
	say(map[string]any{"service": service, "hosts": hosts})
}
