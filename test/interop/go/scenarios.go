package main

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

const group = "DEFAULT_GROUP"

type world struct {
	server, strictServer string
	api                  api
	publisher, reader    naming_client.INamingClient
}

func newWorld(server, strictServer string) (*world, error) {
	publisher, err := connect(server, "")
	if err != nil {
		return nil, err
	}
	reader, err := connect(server, "")
	return &world{server, strictServer, api{"http://" + strings.Split(server, ",")[0] + "/nacos/v1/ns/instance"}, publisher, reader}, err
}

var connections int

func connect(server, namespace string) (naming_client.INamingClient, error) {
	servers, err := serverConfigs(server)
	if err != nil {
		return nil, err
	}
	connections++
	// Clients with one cache folder would read each other's snapshots.
	folder := fmt.Sprintf("client-%d", connections)
	return clients.NewNamingClient(vo.NacosClientParam{
		ServerConfigs: servers,
		ClientConfig: constant.NewClientConfig(
			constant.WithNamespaceId(namespace),
			constant.WithNotLoadCacheAtStart(true),
			constant.WithUpdateCacheWhenEmpty(true),
			constant.WithCacheDir(folder+"/cache"),
			constant.WithLogDir(folder+"/log"),
		),
	})
}

func instance(service, ip string) vo.RegisterInstanceParam {
	return vo.RegisterInstanceParam{
		ServiceName: service, Ip: ip, Port: 8080, Weight: 1, Enable: true, Healthy: true, Ephemeral: true,
	}
}

// accepted turns the client's "false without an error" into an error.
func accepted(ok bool, err error) error {
	if err == nil && !ok {
		return errors.New("the client answered false")
	}
	return err
}

func addresses(instances []model.Instance) string {
	var found []string
	for _, i := range instances {
		found = append(found, fmt.Sprintf("%s:%d", i.Ip, i.Port))
	}
	sort.Strings(found)
	return strings.Join(found, " ")
}

func (w *world) over(service string) func() (string, error) {
	return func() (string, error) { return w.api.addresses("public", group, service) }
}

func all(client naming_client.INamingClient, group, service string, clusters ...string) func() (string, error) {
	return func() (string, error) {
		found, err := client.SelectAllInstances(
			vo.SelectAllInstancesParam{ServiceName: service, GroupName: group, Clusters: clusters})
		return addresses(found), err
	}
}

// pushes collects what a subscription is told: always the latest list.
type pushes struct {
	latest atomic.Pointer[[]model.Instance]
}

func (p *pushes) subscribe(client naming_client.INamingClient, service string) error {
	return client.Subscribe(&vo.SubscribeParam{ServiceName: service, GroupName: group,
		SubscribeCallback: func(instances []model.Instance, err error) { p.latest.Store(&instances) }})
}

func (p *pushes) instances() []model.Instance {
	if latest := p.latest.Load(); latest != nil {
		return *latest
	}
	return nil
}

func (p *pushes) addresses() (string, error) { return addresses(p.instances()), nil }

func register(w *world) (string, error) {
	return "", firstError(
		func() error { return accepted(w.publisher.RegisterInstance(instance("register", "10.1.0.1"))) },
		func() error { return await(10, "the instance over HTTP", "10.1.0.1:8080", w.over("register")) },
		func() error {
			return await(10, "the instance through the client", "10.1.0.1:8080", all(w.reader, group, "register"))
		},
	)
}

func deregister(w *world) (string, error) {
	return "", firstError(
		func() error { return accepted(w.publisher.RegisterInstance(instance("deregister", "10.1.0.2"))) },
		func() error { return await(10, "the instance", "10.1.0.2:8080", w.over("deregister")) },
		func() error {
			return accepted(w.publisher.DeregisterInstance(
				vo.DeregisterInstanceParam{ServiceName: "deregister", Ip: "10.1.0.2", Port: 8080, Ephemeral: true}))
		},
		func() error { return await(10, "no instance", "", w.over("deregister")) },
	)
}

func (w *world) batch(service string, ips ...string) error {
	var instances []vo.RegisterInstanceParam
	for _, ip := range ips {
		instances = append(instances, instance(service, ip))
	}
	return accepted(w.publisher.BatchRegisterInstance(
		vo.BatchRegisterInstanceParam{ServiceName: service, GroupName: group, Instances: instances}))
}

func batch(w *world) (string, error) {
	return "", firstError(
		func() error { return w.batch("batch", "10.2.0.1", "10.2.0.2", "10.2.0.3") },
		func() error {
			return await(10, "three instances", "10.2.0.1:8080 10.2.0.2:8080 10.2.0.3:8080", w.over("batch"))
		},
		func() error { return w.batch("batch", "10.2.0.1", "10.2.0.4") },
		func() error { return await(10, "the smaller batch", "10.2.0.1:8080 10.2.0.4:8080", w.over("batch")) },
	)
}

func subscribe(w *world) (string, error) {
	var pushed pushes
	changed := instance("subscribe", "10.3.0.1")
	changed.Weight = 5
	changed.Metadata = map[string]string{"zone": "b"}
	return "", firstError(
		func() error { return w.api.publish("subscribe", "10.3.0.9", 8080) },
		func() error { return pushed.subscribe(w.reader, "subscribe") },
		func() error { return await(15, "what is there already", "10.3.0.9:8080", pushed.addresses) },
		func() error { return accepted(w.publisher.RegisterInstance(instance("subscribe", "10.3.0.1"))) },
		func() error { return await(8, "an added instance", "10.3.0.1:8080 10.3.0.9:8080", pushed.addresses) },
		func() error { return accepted(w.publisher.RegisterInstance(changed)) },
		func() error {
			return await(8, "its new weight and metadata", "5 b", func() (string, error) {
				for _, i := range pushed.instances() {
					if i.Ip == "10.3.0.1" {
						return fmt.Sprint(i.Weight, " ", i.Metadata["zone"]), nil
					}
				}
				return "", errors.New("it is gone")
			})
		},
		func() error {
			return accepted(w.publisher.DeregisterInstance(
				vo.DeregisterInstanceParam{ServiceName: "subscribe", Ip: "10.3.0.1", Port: 8080, Ephemeral: true}))
		},
		func() error { return await(8, "its removal", "10.3.0.9:8080", pushed.addresses) },
	)
}

func selectHealthy(w *world) (string, error) {
	healthy := func(want bool) func() (string, error) {
		return func() (string, error) {
			found, err := w.reader.SelectInstances(
				vo.SelectInstancesParam{ServiceName: "select", GroupName: group, HealthyOnly: want})
			return addresses(found), err
		}
	}
	heavy := 0
	err := firstError(
		func() error { return w.api.publish("select", "10.4.0.1", 80, "weight=1") },
		func() error { return w.api.publish("select", "10.4.0.2", 80, "weight=9") },
		func() error { return w.api.publish("select", "10.4.0.3", 80, "weight=5", "healthy=false") },
		func() error { return w.api.publish("select", "10.4.0.4", 80, "weight=0") },
		func() error {
			return await(5, "the healthy ones with a weight", "10.4.0.1:80 10.4.0.2:80", healthy(true))
		},
		func() error { return await(5, "the unhealthy one", "10.4.0.3:80", healthy(false)) },
		func() error {
			for range 1000 {
				picked, err := w.reader.SelectOneHealthyInstance(
					vo.SelectOneHealthInstanceParam{ServiceName: "select", GroupName: group})
				if err != nil {
					return err
				}
				if picked.Ip == "10.4.0.2" {
					heavy++
				} else if picked.Ip != "10.4.0.1" {
					return errors.New("picked " + picked.Ip)
				}
			}
			if heavy < 800 || heavy > 980 {
				return fmt.Errorf("weight 9 of 10 was picked %d times of 1000", heavy)
			}
			return nil
		},
	)
	return fmt.Sprintf("%d of 1000 picks for weight 9 of 10", heavy), err
}

func metadata(w *world) (string, error) {
	want := map[string]string{
		"城市": "杭州", "emoji": "🚀👩‍💻", "quotes": `a=b&c,"d"\e+f%20 g`, "large": strings.Repeat("x", 10_000),
	}
	param := instance("metadata", "10.5.0.1")
	param.Metadata = want
	return "", firstError(
		func() error { return accepted(w.publisher.RegisterInstance(param)) },
		func() error {
			return await(10, "metadata over HTTP", want, func() (map[string]string, error) {
				hosts, err := w.api.hosts("public", group, "metadata")
				if err != nil || len(hosts) == 0 {
					return nil, err
				}
				return hosts[0].Metadata, nil
			})
		},
		func() error {
			return await(10, "metadata through the client", want, func() (map[string]string, error) {
				found, err := w.reader.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: "metadata", GroupName: group})
				if err != nil || len(found) == 0 {
					return nil, err
				}
				return found[0].Metadata, nil
			})
		},
	)
}

func metadataRefused(w *world) (string, error) {
	client, err := connect(w.strictServer, "")
	if err != nil {
		return "", err
	}
	defer client.CloseClient()
	param := instance("refused-go", "10.5.0.2")
	param.Metadata = map[string]string{"large": strings.Repeat("x", 1100)}
	ok, err := client.RegisterInstance(param)
	switch {
	case ok:
		return "", errors.New("1.1 kB of metadata was accepted")
	case err != nil:
		return "", fmt.Errorf("an error that is no answer of the server: %w", err)
	}
	return "false (this client drops the text)", nil
}

func persistent(w *world) (string, error) {
	shortLived, err := connect(w.server, "")
	if err != nil {
		return "", err
	}
	param := instance("persistent", "127.0.0.1")
	param.Ephemeral = false
	return "", firstError(
		func() error { return accepted(shortLived.RegisterInstance(param)) },
		func() error {
			return await(10, "a persistent instance", false, func() (bool, error) {
				hosts, err := w.api.hosts("public", group, "persistent")
				if err == nil && len(hosts) != 1 {
					err = errors.New("it is not there")
				}
				return err != nil || hosts[0].Ephemeral, err
			})
		},
		func() error { shortLived.CloseClient(); return nil },
		func() error {
			return await(10, "it outlives its publisher", "127.0.0.1:8080", all(w.reader, group, "persistent"))
		},
		func() error {
			return accepted(w.publisher.DeregisterInstance(
				vo.DeregisterInstanceParam{ServiceName: "persistent", Ip: "127.0.0.1", Port: 8080, Ephemeral: false}))
		},
		func() error { return await(10, "no instance", "", w.over("persistent")) },
	)
}

func groups(w *world) (string, error) {
	a, b := instance("groups", "10.6.0.1"), instance("groups", "10.6.0.2")
	a.GroupName, b.GroupName = "GROUP_A", "GROUP_B"
	return "", firstError(
		func() error { return accepted(w.publisher.RegisterInstance(a)) },
		func() error { return accepted(w.publisher.RegisterInstance(b)) },
		func() error { return await(10, "the first group", "10.6.0.1:8080", all(w.reader, "GROUP_A", "groups")) },
		func() error {
			return await(10, "the second group", "10.6.0.2:8080", all(w.reader, "GROUP_B", "groups"))
		},
		func() error {
			return await(10, "over HTTP", "10.6.0.2:8080",
				func() (string, error) { return w.api.addresses("public", "GROUP_B", "groups") })
		},
	)
}

func namespaces(w *world) (string, error) {
	blue, err := connect(w.server, "blue")
	if err != nil {
		return "", err
	}
	defer blue.CloseClient()
	return "", firstError(
		func() error { return accepted(blue.RegisterInstance(instance("namespaces", "10.6.1.1"))) },
		func() error { return accepted(w.publisher.RegisterInstance(instance("namespaces", "10.6.1.2"))) },
		func() error { return await(10, "the named one", "10.6.1.1:8080", all(blue, group, "namespaces")) },
		func() error { return await(10, "the default one", "10.6.1.2:8080", all(w.reader, group, "namespaces")) },
		func() error {
			return await(10, "over HTTP", "10.6.1.1:8080",
				func() (string, error) { return w.api.addresses("blue", group, "namespaces") })
		},
	)
}

func clusters(w *world) (string, error) {
	third := instance("clusters", "10.7.0.3")
	third.ClusterName = "west"
	return "", firstError(
		func() error { return w.api.publish("clusters", "10.7.0.1", 80, "clusterName=east") },
		func() error { return w.api.publish("clusters", "10.7.0.2", 80, "clusterName=west") },
		func() error { return await(10, "both", "10.7.0.1:80 10.7.0.2:80", all(w.reader, group, "clusters")) },
		func() error { return await(10, "one cluster", "10.7.0.2:80", all(w.reader, group, "clusters", "west")) },
		func() error { return accepted(w.publisher.RegisterInstance(third)) },
		func() error {
			return await(10, "the cluster of an instance", "10.7.0.2:80 10.7.0.3:8080",
				all(w.reader, group, "clusters", "west"))
		},
	)
}

func services(w *world) (string, error) {
	page := func(number uint32) (model.ServiceList, error) {
		return w.reader.GetAllServicesInfo(vo.GetAllServiceInfoParam{GroupName: "LISTED", PageNo: number, PageSize: 2})
	}
	for _, name := range []string{"listed-a", "listed-b", "listed-c"} {
		if err := w.api.publish(name, "10.8.0.1", 80, "groupName=LISTED"); err != nil {
			return "", err
		}
	}
	return "", await(5, "three services on two pages", "3 listed-a listed-b listed-c", func() (string, error) {
		first, err := page(1)
		if err != nil {
			return "", err
		}
		second, err := page(2)
		names := append(append([]string{}, first.Doms...), second.Doms...)
		sort.Strings(names)
		return fmt.Sprint(first.Count, " ", strings.Join(names, " ")), err
	})
}

func thousand(w *world) (string, error) {
	var pushed pushes
	var ips []string
	for i := range 1000 {
		ips = append(ips, fmt.Sprintf("10.9.%d.%d", i/250, i%250+1))
	}
	return "one batch", firstError(
		func() error { return pushed.subscribe(w.reader, "thousand") },
		func() error { return w.batch("thousand", ips...) },
		func() error {
			return await(20, "a thousand over HTTP", 1000, func() (int, error) {
				hosts, err := w.api.hosts("public", group, "thousand")
				return len(hosts), err
			})
		},
		func() error {
			return await(20, "a thousand pushed", 1000, func() (int, error) { return len(pushed.instances()), nil })
		},
	)
}

func restart(w *world) (string, error) {
	var pushed pushes
	var restartedAt time.Time
	var backMs int64
	err := firstError(
		func() error { return pushed.subscribe(w.reader, "restart") },
		func() error { return accepted(w.publisher.RegisterInstance(instance("restart", "10.11.0.1"))) },
		func() error { return w.batch("restart-batch", "10.11.1.1", "10.11.1.2", "10.11.1.3") },
		func() error { return await(15, "the instance is pushed", "10.11.0.1:8080", pushed.addresses) },
		func() error {
			_, err := ask("restart", nil)
			restartedAt = time.Now()
			return err
		},
		func() error { return await(60, "the instance is back", "10.11.0.1:8080", w.over("restart")) },
		func() error {
			return await(30, "the batch is back", "10.11.1.1:8080 10.11.1.2:8080 10.11.1.3:8080", w.over("restart-batch"))
		},
		func() error { backMs = time.Since(restartedAt).Milliseconds(); return nil },
		func() error { return w.api.publish("restart", "10.11.0.2", 8080) },
		func() error { return await(30, "pushes go on", "10.11.0.1:8080 10.11.0.2:8080", pushed.addresses) },
	)
	return fmt.Sprintf("back after %d ms", backMs), err
}
