package main

import (
	"crypto/md5"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

const (
	// The client takes messages of 10 MiB, and the content stands in one.
	largeBytes = 10_000_000
	manyCount  = 3000
	// The client marks all it listens to as read at the end of a round, and with it what was told during the round; it
	// looks again after five minutes. So each change waits for the round of the one before.
	manyChanged = 200
	// How long the client may take to end a round after it has called the listener; it does not tell.
	roundTime = 20 * time.Millisecond
	// What a listener holds before it was called.
	nothing = "(nothing heard)"
	// A new listener may wait five seconds for the client's next round.
	heardSeconds = 20
)

type configs struct {
	server            string
	publisher, reader config_client.IConfigClient
}

func newConfigs(server string) (*configs, error) {
	publisher, err := connectConfig(server, "", nil)
	if err != nil {
		return nil, err
	}
	reader, err := connectConfig(server, "", nil)
	return &configs{server, publisher, reader}, err
}

func connectConfig(server, namespace string, labels map[string]string) (config_client.IConfigClient, error) {
	servers, err := serverConfigs(server)
	if err != nil {
		return nil, err
	}
	connections++
	// Clients with one cache folder would read each other's snapshots.
	folder := fmt.Sprintf("client-%d", connections)
	return clients.NewConfigClient(vo.NacosClientParam{
		ServerConfigs: servers,
		ClientConfig: constant.NewClientConfig(
			constant.WithNamespaceId(namespace),
			constant.WithAppConnLabels(labels),
			constant.WithDisableUseSnapShot(true),
			constant.WithCacheDir(folder+"/cache"),
			constant.WithLogDir(folder+"/log"),
		),
	})
}

// steps fails at the first thing that is not as it should be; what follows does not run.
type steps struct{ err error }

func (s *steps) do(what string, step func() error) {
	if s.err == nil {
		if err := step(); err != nil {
			s.err = fmt.Errorf("%s: %w", what, err)
		}
	}
}

func (s *steps) expect(what string, want any, actual func() (any, error)) {
	s.do(what, func() error {
		got, err := actual()
		if err == nil && got != want {
			err = fmt.Errorf("want <%v>, not <%v>", want, got)
		}
		return err
	})
}

func (s *steps) outside(what string, more fields) {
	s.do(what, func() error { _, err := ask(what, more); return err })
}

func (s *steps) put(client config_client.IConfigClient, param vo.ConfigParam) {
	param.Group = group
	s.do("publish "+param.DataId, func() error { return accepted(client.PublishConfig(param)) })
	s.outside("settled", nil)
}

func (s *steps) remove(client config_client.IConfigClient, dataId string) {
	s.do("remove "+dataId, func() error {
		return accepted(client.DeleteConfig(vo.ConfigParam{DataId: dataId, Group: group}))
	})
	s.outside("settled", nil)
}

func (s *steps) hear(client config_client.IConfigClient, dataId string) *heard {
	told := &heard{}
	told.latest.Store(nothing)
	s.do("listen", func() error {
		return client.ListenConfig(vo.ConfigParam{DataId: dataId, Group: group,
			OnChange: func(_, _, _, data string) { told.latest.Store(data) }})
	})
	return told
}

func (s *steps) awaitHeard(what, want string, told *heard) {
	s.do("heard", func() error {
		return await(heardSeconds, what, want, func() (string, error) { return told.latest.Load().(string), nil })
	})
}

// heard is what a listener was told last.
type heard struct{ latest atomic.Value }

func get(client config_client.IConfigClient, dataId string) func() (any, error) {
	return func() (any, error) { return client.GetConfig(vo.ConfigParam{DataId: dataId, Group: group}) }
}

func shown(dataId, field string) func() (any, error) {
	return func() (any, error) {
		answer, err := ask("show", fields{"dataId": dataId})
		return answer[field], err
	}
}

func digest(text string) string { return fmt.Sprintf("%x", md5.Sum([]byte(text))) }

func configPublish(c *configs) (string, error) {
	var s steps
	s.put(c.publisher, vo.ConfigParam{DataId: "publish", Content: "a: 1"})
	s.expect("over HTTP", digest("a: 1"), shown("publish", "md5"))
	s.expect("through the other client", "a: 1", get(c.reader, "publish"))
	s.expect("what nobody published", "", get(c.reader, "publish-nothing"))
	return "", s.err
}

func configCas(c *configs) (string, error) {
	var s steps
	var refusal error
	s.put(c.publisher, vo.ConfigParam{DataId: "cas", Content: "one"})
	s.do("the wrong md5", func() error {
		var taken bool
		taken, refusal = c.publisher.PublishConfig(
			vo.ConfigParam{DataId: "cas", Group: group, Content: "two", CasMd5: digest("three")})
		if taken || refusal == nil {
			return fmt.Errorf("it was taken")
		}
		return nil
	})
	s.expect("what is left", "one", get(c.reader, "cas"))
	s.put(c.publisher, vo.ConfigParam{DataId: "cas", Content: "two", CasMd5: digest("one")})
	s.expect("what came", "two", get(c.reader, "cas"))
	return fmt.Sprint(refusal), s.err
}

func configListen(c *configs) (string, error) {
	var s steps
	told := s.hear(c.reader, "listen")
	s.put(c.publisher, vo.ConfigParam{DataId: "listen", Content: "one"})
	s.awaitHeard("added", "one", told)
	s.outside("put", fields{"dataId": "listen", "content": "two"})
	s.awaitHeard("changed", "two", told)
	s.remove(c.publisher, "listen")
	s.awaitHeard("removed", "", told)
	s.outside("put", fields{"dataId": "listen", "content": "three"})
	s.awaitHeard("added again", "three", told)
	return "", s.err
}

func configContents(c *configs) (string, error) {
	answer, err := ask("contents", nil)
	if err != nil {
		return "", err
	}
	contents := answer["contents"].([]any)
	var s steps
	for _, each := range contents {
		content := each.(map[string]any)
		name, text := content["name"].(string), content["text"].(string)
		s.put(c.publisher, vo.ConfigParam{DataId: "contents-" + name, Content: text})
		s.expect(name+" over HTTP", digest(text), shown("contents-"+name, "md5"))
		s.expect(name+" through the client", text, get(c.reader, "contents-"+name))
		s.outside("put", fields{"dataId": "from-outside-" + name, "content": text})
		s.expect(name+" from outside", text, get(c.reader, "from-outside-"+name))
	}
	return fmt.Sprintf("%d contents", len(contents)), s.err
}

func configLarge(c *configs) (string, error) {
	text := strings.Repeat("0123456789", largeBytes/10)
	var s steps
	told := s.hear(c.reader, "large")
	s.put(c.publisher, vo.ConfigParam{DataId: "large", Content: text})
	s.expect("over HTTP", digest(text), shown("large", "md5"))
	s.do("a listener", func() error {
		return await(30, "hears of it", len(text), func() (int, error) { return len(told.latest.Load().(string)), nil })
	})
	s.outside("putLarge", fields{"dataId": "large-from-outside", "bytes": largeBytes})
	s.do("from outside", func() error {
		got, err := c.reader.GetConfig(vo.ConfigParam{DataId: "large-from-outside", Group: group})
		if err == nil && got != text {
			err = fmt.Errorf("another text of %d bytes", len(got))
		}
		return err
	})
	return fmt.Sprintf("%d bytes", largeBytes), s.err
}

func configMany(c *configs) (string, error) {
	client, err := connectConfig(c.server, "", nil)
	if err != nil {
		return "", err
	}
	defer client.CloseClient()
	var s steps
	var told sync.Map
	for i := range manyCount {
		s.do("listen", func() error {
			return client.ListenConfig(vo.ConfigParam{DataId: fmt.Sprintf("many-%d", i), Group: group,
				OnChange: func(_, _, dataId, data string) { told.Store(dataId, data) }})
		})
	}
	startedAt := time.Now()
	for i := range manyChanged {
		dataId, content := fmt.Sprintf("many-%d", i), fmt.Sprintf("changed-%d", i)
		s.outside("put", fields{"dataId": dataId, "content": content})
		s.do("one", func() error {
			return await(heardSeconds, "hears of its change", any(content), func() (any, error) {
				data, _ := told.Load(dataId)
				return data, nil
			})
		})
		time.Sleep(roundTime)
	}
	heardMs := time.Since(startedAt).Milliseconds()
	return fmt.Sprintf("%d of them changed, one after the other, in %d ms: what comes while this client reads another "+
		"change it takes for read", manyChanged, heardMs), s.err
}

func configBeta(c *configs) (string, error) {
	var s steps
	var ip string
	s.put(c.publisher, vo.ConfigParam{DataId: "beta", Content: "formal"})
	s.do("the address by which the server knows this client", func() error {
		answer, err := ask("history", fields{"dataId": "beta"})
		ip = fmt.Sprint(answer["ip"])
		return err
	})
	told := s.hear(c.reader, "beta")
	s.outside("put", fields{"dataId": "beta", "content": "not for me", "betaIps": "10.99.99.99"})
	s.expect("a beta version for others", "formal", get(c.reader, "beta"))
	s.put(c.publisher, vo.ConfigParam{DataId: "beta", Content: "for me", BetaIps: "10.99.99.99," + ip})
	s.awaitHeard("a beta version for this client", "for me", told)
	s.expect("a beta version for this client", "for me", get(c.reader, "beta"))
	s.outside("put", fields{"dataId": "beta", "content": "not for me", "betaIps": "10.99.99.99"})
	s.awaitHeard("the formal one again", "formal", told)
	return "published by the client, for " + ip, s.err
}

func configTag(c *configs) (string, error) {
	blue, err := connectConfig(c.server, "", map[string]string{"Vipserver-Tag": "blue"})
	if err != nil {
		return "", err
	}
	defer blue.CloseClient()
	var s steps
	s.put(c.publisher, vo.ConfigParam{DataId: "tag", Content: "formal"})
	told := s.hear(blue, "tag")
	s.put(c.publisher, vo.ConfigParam{DataId: "tag", Content: "for blue", Tag: "blue"})
	s.awaitHeard("a client with the tag", "for blue", told)
	s.expect("a client with the tag", "for blue", get(blue, "tag"))
	s.expect("a client without", "formal", get(c.reader, "tag"))
	return "published by the client, for AppConnLabels Vipserver-Tag=blue", s.err
}

func configTenants(c *configs) (string, error) {
	named, err := connectConfig(c.server, "public", nil)
	if err != nil {
		return "", err
	}
	green, err := connectConfig(c.server, "green", nil)
	if err != nil {
		return "", err
	}
	var s steps
	toldBlank, toldNamed, toldGreen := s.hear(c.reader, "tenants"), s.hear(named, "tenants"), s.hear(green, "tenants")
	s.put(c.publisher, vo.ConfigParam{DataId: "tenants", Content: "of public"})
	s.put(green, vo.ConfigParam{DataId: "tenants", Content: "of green"})
	s.awaitHeard("a listener that wrote it blank", "of public", toldBlank)
	s.awaitHeard("a listener that wrote it public", "of public", toldNamed)
	s.awaitHeard("a listener of another", "of green", toldGreen)
	s.expect("read as public", "of public", get(named, "tenants"))
	s.expect("over HTTP", digest("of green"), func() (any, error) {
		answer, err := ask("show", fields{"dataId": "tenants", "namespaceId": "green"})
		return answer["md5"], err
	})
	s.outside("put", fields{"dataId": "tenants", "content": "changed"})
	s.awaitHeard("blank, changed", "changed", toldBlank)
	s.awaitHeard("public, changed", "changed", toldNamed)
	s.awaitHeard("another, left alone", "of green", toldGreen)
	return "", s.err
}

func configRemove(c *configs) (string, error) {
	var s steps
	s.put(c.publisher, vo.ConfigParam{DataId: "remove", Content: "there"})
	s.expect("there", "there", get(c.reader, "remove"))
	s.remove(c.publisher, "remove")
	s.expect("over HTTP", false, shown("remove", "found"))
	s.expect("through the client", "", get(c.reader, "remove"))
	s.remove(c.publisher, "remove")
	return "", s.err
}

func configType(c *configs) (string, error) {
	var s steps
	s.put(c.publisher, vo.ConfigParam{DataId: "type", Content: `{"a":1}`, Type: "json"})
	s.expect("its type", "json", shown("type", "type"))
	s.put(c.publisher, vo.ConfigParam{DataId: "type", Content: `{"a":2}`})
	s.expect("its type still", "json", shown("type", "type"))
	return "", s.err
}

func configHistory(c *configs) (string, error) {
	var s steps
	s.put(c.publisher, vo.ConfigParam{DataId: "history", Content: "one"})
	s.put(c.publisher, vo.ConfigParam{DataId: "history", Content: "two"})
	s.remove(c.publisher, "history")
	var ip string
	s.do("history", func() error {
		answer, err := ask("history", fields{"dataId": "history"})
		ip = fmt.Sprint(answer["ip"])
		if err == nil && (answer["ops"] != "I U D" || answer["own"] != true) {
			err = fmt.Errorf("%v", answer)
		}
		return err
	})
	return "by " + ip, s.err
}

func configRestart(c *configs) (string, error) {
	client, err := connectConfig(c.server, "", nil)
	if err != nil {
		return "", err
	}
	defer client.CloseClient()
	var s steps
	s.put(c.publisher, vo.ConfigParam{DataId: "restart", Content: "before"})
	told, toldNew := s.hear(client, "restart"), s.hear(client, "restart-new")
	s.outside("put", fields{"dataId": "restart", "content": "listening"})
	s.awaitHeard("before", "listening", told)
	s.outside("restart", nil)
	s.outside("put", fields{"dataId": "restart", "content": "right after"})
	s.outside("put", fields{"dataId": "restart-new", "content": "new"})
	restartedAt := time.Now()
	s.awaitHeard("right after the restart", "right after", told)
	s.awaitHeard("added right after the restart", "new", toldNew)
	heardMs := time.Since(restartedAt).Milliseconds()
	s.outside("put", fields{"dataId": "restart", "content": "later"})
	s.awaitHeard("later", "later", told)
	s.do("the newest", func() error { return await[any](heardSeconds, "read", "later", get(c.reader, "restart")) })
	return fmt.Sprintf("heard after %d ms", heardMs), s.err
}
