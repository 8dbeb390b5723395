// A NATS micro service in any version: go run . 1.0.0
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
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
	service, err := micro.AddService(nc, micro.Config{Name: "orders", Version: version})
	check(err)

	// Listens where this version alone does, and says where callers ask.
	endpoint := func(name string, answer func(order map[string]any) map[string]any) {
		handler := func(request micro.Request) {
			var order map[string]any
			if json.Unmarshal(request.Data(), &order) != nil {
				_ = request.Error("400", "the request is no JSON object", nil)
				return
			}
			reply := answer(order)
			reply["version"] = version
			_ = request.RespondJSON(reply)
		}
		major, _, _ := strings.Cut(version, ".")
		check(service.AddEndpoint(name, micro.HandlerFunc(handler),
			micro.WithEndpointSubject("orders.v"+major+"."+name),
			micro.WithEndpointMetadata(map[string]string{"lattice.source": "orders." + name})))
	}
	var mutex sync.Mutex
	stored := map[string]map[string]any{}
	endpoint("get", func(order map[string]any) map[string]any {
		mutex.Lock()
		defer mutex.Unlock()
		return map[string]any{"order": stored[fmt.Sprint(order["id"])]}
	})
	endpoint("put", func(order map[string]any) map[string]any {
		mutex.Lock()
		defer mutex.Unlock()
		stored[fmt.Sprint(order["id"])] = order
		return map[string]any{"stored": len(stored)}
	})
	check(nc.Flush())
	fmt.Println("orders", version, "answers")

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
