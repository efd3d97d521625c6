package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

var answers = bufio.NewReaderSize(os.Stdin, 1<<20)

// fields are what is asked for, and what comes back.
type fields map[string]any

// ask has the runner do something from outside.
func ask(what string, more fields) (fields, error) {
	line := map[string]any{"ask": what}
	for name, value := range more {
		line[name] = value
	}
	say(line)
	text, err := answers.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	var answer fields
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if failure, failed := answer["error"]; failed {
		return nil, fmt.Errorf("%s: %v", what, failure)
	}
	return answer, nil
}
