package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "unsafe" // for go:linkname

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// The library pings every 10 seconds at most; it keeps this variable to be changed by tests.
//
//go:linkname keepaliveMin google.golang.org/grpc/internal.KeepaliveMinPingTime
var keepaliveMin time.Duration

const (
	keepaliveEvery = 200 * time.Millisecond
	pingsMin       = 5
	statusText     = "Dienst „größe“ 城市 🚀 100% + a=b\nnächste Zeile"
)

var scenarios = map[string]func(*echo, servers) error{
	"unary":         unary,
	"concurrent":    concurrent,
	"server-stream": serverStream,
	"client-stream": clientStream,
	"bidi":          func(e *echo, _ servers) error { return bidi(e, 500) },
	"large":         large,
	"deadline":      deadline,
	"cancel":        cancelled,
	"metadata":      metadataEcho,
	"status":        statusMessage,
	"unimplemented": unimplemented,
	"too-large":     tooLarge,
	"goaway":        goaway,
	"keepalive":     keepalivePings,
	"tls":           overTls,
	"gzip-refused":  gzipRefused,
	"gzip":          gzipTaken,
}

func unary(e *echo, _ servers) error {
	if err := e.expect("Echo", "hello", "hello"); err != nil {
		return err
	}
	return e.expect("Echo", "", "")
}

func concurrent(e *echo, _ servers) error {
	var all sync.WaitGroup
	failures := make([]error, 200)
	for i := range failures {
		all.Add(1)
		go func() {
			defer all.Done()
			text := fmt.Sprintf("call %d", i)
			failures[i] = e.expect("Echo", text, text)
		}()
	}
	all.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

func serverStream(e *echo, _ servers) error {
	call, err := e.stream(context.Background(), "ServerStream")
	if err != nil {
		return err
	}
	if err := call.send([]byte("1000 100")); err != nil {
		return err
	}
	for i := range 1000 {
		number := strconv.Itoa(i)
		want := number + strings.Repeat(".", 100-len(number))
		if got, err := call.receive(); err != nil || string(got) != want {
			return fmt.Errorf("message %d: %q, %v", i, got, err)
		}
	}
	return call.end()
}

func clientStream(e *echo, _ servers) error {
	call, err := e.stream(context.Background(), "ClientStream")
	if err != nil {
		return err
	}
	for range 1000 {
		if err := call.send(make([]byte, 1000)); err != nil {
			return err
		}
	}
	if err := call.CloseSend(); err != nil {
		return err
	}
	answer, err := call.receive()
	if err != nil || string(answer) != "1000 1000000" {
		return fmt.Errorf("got %q, %v", answer, err)
	}
	return nil
}

func bidi(e *echo, rounds int) error {
	call, err := e.stream(context.Background(), "Bidi")
	if err != nil {
		return err
	}
	for i := range rounds {
		if err := call.exchange(fmt.Sprintf("message %d", i)); err != nil {
			return err
		}
	}
	return call.end()
}

func large(e *echo, _ servers) error {
	sent := make([]byte, 4_000_000)
	for i := range sent {
		sent[i] = byte(i % 251)
	}
	got, err := e.unary(context.Background(), "Echo", sent)
	if err == nil && !bytes.Equal(got, sent) {
		return fmt.Errorf("%d other bytes came back", len(got))
	}
	return err
}

func deadline(e *echo, _ servers) error {
	name := "go deadline"
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := e.unary(ctx, "Hang", []byte(name))
	if err := fails(codes.DeadlineExceeded, err); err != nil {
		return err
	}
	// Whichever comes first: the reset of the client or the server's own clock.
	return eventually(func() (bool, error) {
		ended, err := e.text("Ended", name)
		return ended == "1 0 0" || ended == "0 1 0", err
	})
}

func cancelled(e *echo, _ servers) error {
	name := "go-cancel"
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	call, err := e.stream(ctx, "ServerStream")
	if err != nil {
		return err
	}
	if err := call.send([]byte("1000000 1000 " + name)); err != nil {
		return err
	}
	for range 10 {
		if _, err := call.receive(); err != nil {
			return err
		}
	}
	cancel()
	for err = nil; err == nil; {
		_, err = call.receive()
	}
	if err := fails(codes.Canceled, err); err != nil {
		return err
	}
	return eventually(func() (bool, error) {
		ended, err := e.text("Ended", name)
		return ended == "1 0 0", err
	})
}

func metadataEcho(e *echo, _ servers) error {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	texts, values := []string{"some text, with a comma"}, []string{string(all), string([]byte{0, 44, 255})}
	sent := metadata.MD{"x-text": texts, "x-data-bin": values}
	var initial, trailing metadata.MD
	ctx := metadata.NewOutgoingContext(context.Background(), sent)
	if _, err := e.unary(ctx, "Meta", []byte("m"), grpc.Header(&initial), grpc.Trailer(&trailing)); err != nil {
		return err
	}
	for _, got := range []metadata.MD{initial, trailing} {
		if !slices.Equal(got["x-text"], texts) || !slices.Equal(got["x-data-bin"], values) {
			return fmt.Errorf("got %q, then %q", initial, trailing)
		}
	}
	return nil
}

func statusMessage(e *echo, _ servers) error {
	_, err := e.text("Fail", "5 "+statusText)
	if got := status.Convert(err).Message(); got != statusText {
		return fmt.Errorf("got %q", got)
	}
	return fails(codes.NotFound, err)
}

func unimplemented(e *echo, _ servers) error {
	_, err := e.text("Missing", "")
	if err := fails(codes.Unimplemented, err); err != nil {
		return err
	}
	_, err = e.text("/nacre.test.Nobody/Echo", "")
	return fails(codes.Unimplemented, err)
}

func tooLarge(e *echo, _ servers) error {
	port, err := e.text("Port", "")
	if err != nil {
		return err
	}
	_, err = e.unary(context.Background(), "Echo", make([]byte, 6_000_000))
	if err := fails(codes.ResourceExhausted, err); err != nil {
		return err
	}
	return e.expect("Port", "", port)
}

func goaway(e *echo, _ servers) error {
	port, err := e.text("Port", "")
	if err != nil {
		return err
	}
	call, err := e.stream(context.Background(), "Bidi")
	if err != nil {
		return err
	}
	if err := call.exchange("before"); err != nil {
		return err
	}
	if err := e.expect("Drain", "", port); err != nil {
		return err
	}
	if other, err := e.text("Port", ""); err != nil || other == port {
		return fmt.Errorf("want another connection than %s, got %q, %v", port, other, err)
	}
	for i := range 10 {
		if err := call.exchange(fmt.Sprintf("after %d", i)); err != nil {
			return err
		}
	}
	return call.end()
}

func keepalivePings(e *echo, at servers) error {
	keepaliveMin = keepaliveEvery
	quiet, err := connect(at.pings, grpc.WithKeepaliveParams(keepalive.ClientParameters{
		Time:    keepaliveEvery,
		Timeout: 5 * time.Second,
	}))
	if err != nil {
		return err
	}
	defer quiet.conn.Close()
	call, err := quiet.stream(context.Background(), "Bidi")
	if err != nil {
		return err
	}
	if err := call.exchange("before"); err != nil {
		return err
	}
	pings := func() (int, error) {
		text, err := e.text("Pings", "")
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(text)
	}
	before, err := pings()
	if err != nil {
		return err
	}
	if err := eventually(func() (bool, error) {
		now, err := pings()
		return now >= before+pingsMin, err
	}); err != nil {
		return err
	}
	if err := call.exchange("after"); err != nil {
		return err
	}
	return call.end()
}

func overTls(_ *echo, at servers) error {
	creds, err := credentials.NewClientTLSFromFile(at.caFile, "localhost")
	if err != nil {
		return err
	}
	e, err := connect(at.tls, grpc.WithTransportCredentials(creds))
	if err != nil {
		return err
	}
	defer e.conn.Close()
	if err := e.expect("Echo", "hello", "hello"); err != nil {
		return err
	}
	if err := large(e, at); err != nil {
		return err
	}
	return bidi(e, 100)
}

func gzipRefused(e *echo, _ servers) error {
	_, err := e.unary(context.Background(), "Echo", make([]byte, 100_000), grpc.UseCompressor(gzip.Name))
	if err := fails(codes.Unimplemented, err); err != nil {
		return err
	}
	return e.expect("Echo", "hello", "hello")
}

func gzipTaken(_ *echo, at servers) error {
	e, err := connect(at.gzip)
	if err != nil {
		return err
	}
	defer e.conn.Close()
	sent := make([]byte, 100_000)
	got, err := e.unary(context.Background(), "Echo", sent, grpc.UseCompressor(gzip.Name))
	if err == nil && !bytes.Equal(got, sent) {
		return fmt.Errorf("%d other bytes came back", len(got))
	}
	return err
}
