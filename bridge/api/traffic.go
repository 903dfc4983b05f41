package api

// TrafficStats is what a worker counted since it started.
type TrafficStats struct {
	RTTSeconds  float64           `json:"rtt_seconds"`
	Connections int               `json:"connections"`
	Channels    int               `json:"channels"`
	Requests    map[string]uint64 `json:"requests"`  // SFTP requests by kind
	InFlight    int               `json:"in_flight"` // SFTP requests without an answer yet
	// RoundTrips is how often somebody waited for the server's answer, and
	// RoundTripSeconds how long in all.
	RoundTrips       uint64  `json:"round_trips"`
	RoundTripSeconds float64 `json:"round_trip_seconds"`
	ReadBytes        uint64  `json:"read_bytes"`  // from the server
	WriteBytes       uint64  `json:"write_bytes"` // to the server
	// ReadRate and WriteRate are what programs read and wrote during the last
	// second, the cache's part included.
	ReadRate    float64 `json:"read_bytes_per_second"`
	WriteRate   float64 `json:"write_bytes_per_second"`
	Dials       uint64  `json:"dials"` // connections that were tried
	Reconnects  uint64  `json:"reconnects"`
	CacheHits   uint64  `json:"cache_hits"`
	CacheMisses uint64  `json:"cache_misses"`
	CacheBytes  uint64  `json:"cache_bytes"`
	// AheadBytes were asked for before anybody read them; WastedBytes of them were
	// dropped unread. ListedAhead are directories that were listed like that, and
	// ListedUsed those of them that somebody looked into.
	AheadBytes   uint64 `json:"ahead_bytes"`
	WastedBytes  uint64 `json:"wasted_bytes"`
	ListedAhead  uint64 `json:"listed_ahead"`
	ListedUsed   uint64 `json:"listed_ahead_used"`
	PendingBytes uint64 `json:"pending_bytes"` // written, not acknowledged
	OpenHandles  int    `json:"open_handles"`
	Names        int    `json:"names"` // files and directories remembered (max_names)
	// Operations are those of the file system that were answered, by kind;
	// LatencyBounds are the bounds of their buckets.
	Operations    map[string]OperationStats `json:"operations"`
	LatencyBounds []float64                 `json:"latency_bounds_seconds"`
	// Waiting are the operations that have no answer yet, and
	// OldestWaitSeconds is how long the first of them has been waiting.
	Waiting           int     `json:"waiting"`
	OldestWaitSeconds float64 `json:"oldest_wait_seconds"`
}

// OperationStats are the operations of one kind.
type OperationStats struct {
	Count   uint64  `json:"count"`
	Seconds float64 `json:"seconds"` // the sum of their durations
	// Buckets count those that took at most as long as each of LatencyBounds
	// and longer than the bound before it; what took longer than the last bound
	// is in Count only.
	Buckets []uint64 `json:"buckets"`
}
