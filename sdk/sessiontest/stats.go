package sessiontest

import (
	"encoding/json"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// The bounds of a report of statistics; what is beyond them is left out.
const (
	reportInterval   = time.Second // a closer one is dropped
	maxReportTracks  = 32
	maxReportMetrics = 64
	maxMetricName    = 128
)

// report journals a client's statistics.
func (c *connection) report(stats *wire.ClientStats) {
	now := time.Now()
	if now.Sub(c.reported) < reportInterval {
		return
	}
	c.reported = now
	tracks := []any{}
	for i, t := range stats.GetTrackStats() {
		if i == maxReportTracks {
			break
		}
		trim(t.GetMetrics())
		tracks = append(tracks, protoJSON(t))
	}
	trim(stats.GetConnectionStat().GetMetrics())
	x := c.session
	x.note(eventMetric, object{
		"name": "client_stats", "session_id": x.id, "conn_id": c.id,
		"track_stats": tracks, "connection_stat": protoJSON(stats.GetConnectionStat()),
	})
	if f := x.srv.model.Reported; f != nil {
		x.post(func() { f(x.id, c.id, stats) })
	}
}

func trim(metrics map[string]float64) {
	for name, v := range metrics {
		if len(name) > maxMetricName || math.IsNaN(v) || math.IsInf(v, 0) || len(metrics) > maxReportMetrics {
			delete(metrics, name)
		}
	}
}

func protoJSON(m proto.Message) any {
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil
	}
	return json.RawMessage(b)
}
