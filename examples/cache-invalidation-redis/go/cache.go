// Package cache reads products by id, through a cache that Rowfeed invalidates.
package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

const (
	name  = "cache"
	ttlMs = 3_600_000
	query = "select row_to_json(p)::text from products p where id = $1"
)

type Products struct {
	Redis    *redis.Client
	Postgres *pgxpool.Pool
}

// Get gives the product's row as JSON, "null" when there is none.
func (p Products) Get(ctx context.Context, id int64) (string, error) {
	key := fmt.Sprintf("product:%d", id)
	for range 20 {
		answer, err := p.Redis.FCall(ctx, "rowfeed_get", []string{key}, name, 10_000).StringSlice()
		if err != nil || len(answer) < 2 { // an error, or bypass
			break
		}
		switch answer[0] {
		case "hit":
			return answer[1], nil
		case "fill":
			value, err := p.read(ctx, id)
			if err == nil {
				// Not stored is no error: the value is right for this request.
				p.Redis.FCall(ctx, "rowfeed_fill", []string{key}, name, answer[1], value, ttlMs)
			}
			return value, err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return p.read(ctx, id)
}

// GetAsSeen needs no lease: the fill says which transactions its read saw.
func (p Products) GetAsSeen(ctx context.Context, id int64) (string, error) {
	key := fmt.Sprintf("product:%d", id)
	answer, err := p.Redis.FCall(ctx, "rowfeed_get", []string{key}, name).StringSlice()
	if err == nil && answer[0] == "hit" {
		return answer[1], nil
	}
	var snapshot, value string
	seen := "select pg_current_snapshot()::text, coalesce((" + query + "), 'null')"
	if err := p.Postgres.QueryRow(ctx, seen, id).Scan(&snapshot, &value); err != nil {
		return "", err
	}
	if len(answer) > 1 {
		p.Redis.FCall(ctx, "rowfeed_fill_seen", []string{key}, name, answer[len(answer)-1], value, ttlMs, snapshot)
	}
	return value, nil
}

func (p Products) read(ctx context.Context, id int64) (string, error) {
	var value string
	err := p.Postgres.QueryRow(ctx, query, id).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return "null", nil
	}
	return value, err
}
