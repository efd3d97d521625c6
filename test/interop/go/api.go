package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sort"
	"strings"
	"time"
)

// api is the server as seen over its HTTP API, which the client has no hand in.
type api struct{ base string }

type host struct {
	IP        string            `json:"ip"`
	Port      int               `json:"port"`
	Ephemeral bool              `json:"ephemeral"`
	Metadata  map[string]string `json:"metadata"`
}

func (a api) call(method, path string) ([]byte, error) {
	request, err := http.NewRequest(method, a.base+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != 200 {
		err = fmt.Errorf("%s %s: %d %s", method, path, answer.StatusCode, body)
	}
	return body, err
}

func (a api) hosts(namespace, group, service string) ([]host, error) {
	body, err := a.call("GET", fmt.Sprintf("/list?namespaceId=%s&groupName=%s&serviceName=%s", namespace, group, service))
	if err != nil {
		return nil, err
	}
	var info struct{ Hosts []host }
	err = json.Unmarshal(body, &info)
	return info.Hosts, err
}

func (a api) addresses(namespace, group, service string) (string, error) {
	hosts, err := a.hosts(namespace, group, service)
	var found []string
	for _, h := range hosts {
		found = append(found, fmt.Sprintf("%s:%d", h.IP, h.Port))
	}
	sort.Strings(found)
	return strings.Join(found, " "), err
}

func (a api) publish(service, ip string, port int, more ...string) error {
	query := fmt.Sprintf("?serviceName=%s&ip=%s&port=%d", service, ip, port)
	_, err := a.call("POST", strings.Join(append([]string{query}, more...), "&"))
	return err
}

// await waits until actual gives want; its errors meanwhile count as "not yet".
func await[T any](seconds int, what string, want T, actual func() (T, error)) error {
	giveUpAt := time.Now().Add(time.Duration(seconds) * time.Second)
	for {
		got, err := actual()
		if err == nil && reflect.DeepEqual(got, want) {
			return nil
		}
		if time.Now().After(giveUpAt) {
			return fmt.Errorf("not within %d s: %s: want <%v>, last <%v> %v", seconds, what, want, got, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// firstError is the first of steps that fails; the steps after it do not run.
func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
