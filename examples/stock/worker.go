// A plain queue subscriber in any version: go run worker.go 1.0.0
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/nats-io/nats.go"
)

func main() {
	version := "1.0.0"
	if len(os.Args) > 1 {
		version = os.Args[1]
	}
	url := os.Getenv("NATS_URL")
	if url == "" {
		url = nats.DefaultURL
	}
	var options []nats.Option
	if creds := os.Getenv("NATS_CREDS"); creds != "" {
		options = append(options, nats.UserCredentials(creds))
	}
	nc, err := nats.Connect(url, options...)
	check(err)

	answer := func(msg *nats.Msg) {
		reply, _ := json.Marshal(map[string]string{"got": string(msg.Data), "version": version})
		_ = msg.Respond(reply)
	}
	v := base64.RawURLEncoding.EncodeToString([]byte(version))
	for _, name := range []string{"get", "take"} {
		_, err := nc.QueueSubscribe("stock."+v+"."+name, "stock", answer)
		check(err)
	}
	check(nc.Flush())
	fmt.Println("stock", version, "answers")

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	<-ended
	check(nc.Drain())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
