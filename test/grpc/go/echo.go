package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const (
	service      = "/nacre.test.Echo/"
	callMax      = 20 * time.Second
	eventuallyIn = 10 * time.Second
	pollEvery    = 10 * time.Millisecond
)

// raw carries bytes as they are. Its name makes the content type application/grpc+raw.
type raw struct{}

func (raw) Name() string                  { return "raw" }
func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}

// echo is one channel with a connection of its own.
type echo struct{ conn *grpc.ClientConn }

func connect(address string, options ...grpc.DialOption) (*echo, error) {
	options = append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})),
	}, options...)
	conn, err := grpc.NewClient("passthrough:///"+address, options...)
	return &echo{conn}, err
}

func (e *echo) unary(ctx context.Context, method string, message []byte, options ...grpc.CallOption) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callMax)
	defer cancel()
	if method[0] != '/' {
		method = service + method
	}
	var answer []byte
	err := e.conn.Invoke(ctx, method, &message, &answer, options...)
	return answer, err
}

func (e *echo) text(method, message string) (string, error) {
	answer, err := e.unary(context.Background(), method, []byte(message))
	return string(answer), err
}

// expect calls a method that has to give this answer.
func (e *echo) expect(method, message, want string) error {
	got, err := e.text(method, message)
	if err == nil && got != want {
		return fmt.Errorf("%s: want %q, got %q", method, want, got)
	}
	return err
}

// stream is any kind of call as two streams.
type stream struct{ grpc.ClientStream }

func (e *echo) stream(ctx context.Context, method string) (*stream, error) {
	both := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	own, err := e.conn.NewStream(ctx, both, service+method)
	return &stream{own}, err
}

func (s *stream) send(message []byte) error { return s.SendMsg(&message) }

func (s *stream) receive() ([]byte, error) {
	var message []byte
	err := s.RecvMsg(&message)
	return message, err
}

func (s *stream) exchange(text string) error {
	if err := s.send([]byte(text)); err != nil {
		return err
	}
	answer, err := s.receive()
	if err == nil && string(answer) != text {
		return fmt.Errorf("want %q, got %q", text, answer)
	}
	return err
}

func (s *stream) end() error {
	if err := s.CloseSend(); err != nil {
		return err
	}
	if _, err := s.receive(); err != io.EOF {
		return fmt.Errorf("want the end of the stream, got %v", err)
	}
	return nil
}

func fails(code codes.Code, err error) error {
	if status.Code(err) != code {
		return fmt.Errorf("want %v, got %v", code, err)
	}
	return nil
}

func eventually(condition func() (bool, error)) error {
	giveUpAt := time.Now().Add(eventuallyIn)
	for {
		done, err := condition()
		if done || err != nil {
			return err
		}
		if time.Now().After(giveUpAt) {
			return fmt.Errorf("not within %v", eventuallyIn)
		}
		time.Sleep(pollEvery)
	}
}
