package fakeaws

// Quota limits an operation to so many calls in each second, for each calling account and region; further ones are
// answered as Throttle does. Zero lifts the limit, and there is none at first. It panics on an unknown operation.
//
// A call to another account's secret counts for the caller's account (user guide, "AWS Secrets Manager quotas").
func (s *Server) Quota(operation string, perSecond int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	must(operation, checkOperation(operation))
	s.quotas[operation] = perSecond
}

// PublishedQuotas are AWS's own: the calls per second that it allows an account in a region (user guide, "AWS Secrets
// Manager quotas").
func PublishedQuotas() map[string]int {
	return map[string]int{
		"GetSecretValue":      10_000,
		"DescribeSecret":      40_000,
		"ListSecrets":         100,
		"BatchGetSecretValue": 100,
		"CreateSecret":        50,
		"PutSecretValue":      50,
		"DeleteSecret":        50,
		"RestoreSecret":       50,
	}
}

// meterKey tells apart what is counted.
type meterKey struct{ account, region, operation string }

// meter counts the calls of a second of the clock.
type meter struct {
	second int64 // since 1970
	calls  int
}

// overQuota counts the call and says whether it is one too many.
func (s *Server) overQuota(c *call) bool {
	quota := s.quotas[c.operation]
	if quota == 0 {
		return false
	}
	key := meterKey{c.caller.accountID(), c.region, c.operation}
	if s.meters[key] == nil {
		s.meters[key] = &meter{}
	}
	m := s.meters[key]
	if second := s.now().Unix(); second != m.second {
		*m = meter{second: second}
	}
	m.calls++
	return m.calls > quota
}
