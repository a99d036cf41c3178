// A receiver of webhooks: checks the signature, leaves out repetitions, prints a line per event.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	webhook, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal(err)
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "8090"
	}
	var lock sync.Mutex
	seen := map[string]bool{}
	http.HandleFunc("POST /", func(response http.ResponseWriter, request *http.Request) {
		// The bytes as they came: parsing and writing them again would change them.
		body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, 16<<20))
		if err != nil {
			http.Error(response, err.Error(), http.StatusBadRequest)
			return
		}
		if err := webhook.Verify(body, request.Header); err != nil {
			http.Error(response, err.Error(), http.StatusUnauthorized)
			return
		}
		var event struct {
			Type string          `json:"type"`
			Data json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &event); err != nil {
			http.Error(response, err.Error(), http.StatusBadRequest)
			return
		}
		id := request.Header.Get("webhook-id")
		lock.Lock()
		defer lock.Unlock()
		if !seen[id] {
			seen[id] = true
			line, _ := json.Marshal(map[string]any{"id": id, "type": event.Type, "data": event.Data})
			fmt.Println(string(line))
		}
		response.WriteHeader(http.StatusNoContent)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on " + port)
	log.Fatal(http.Serve(listener, nil))
}
