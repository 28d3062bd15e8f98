# airflow-secrets: `make` alone lists what there is to make.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOFLAGS_RELEASE = -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
BINARIES = bin/webhook bin/fetcher bin/airflow-secrets

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/webhook, bin/fetcher and bin/airflow-secrets: static, stripped, version stamped
	CGO_ENABLED=0 go build $(GOFLAGS_RELEASE) -o bin/ ./cmd/webhook ./cmd/fetcher ./cmd/airflow-secrets

.PHONY: demo
demo: build ## the main job from end to end, with nothing but Go and make
	@go run ./test/demo -bin bin

.PHONY: test
test: ## all tests that need no cluster, the real Airflow and moto from PyPI included (in .cache/)
	go test -timeout 30m ./...

.PHONY: race
race: ## the tests of all that runs at once, but for those that trace a program of their own, with the race detector (it needs a C compiler)
	go test -race -skip '^TestKilled|^TestAFullVolume' ./certs ./cmd/... ./injector/fetcher/... ./webhook ./test/fakeaws/...

.PHONY: lint
lint: ## formatting, go vet and staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):" $$unformatted; exit 1; fi
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

.PHONY: docs
docs: ## write what is generated into docs/
	go test ./test -run TestGeneratedDocuments -update

.PHONY: manifests
manifests: ## write what is made from the Helm chart: its schema, docs/values.md and manifests/install.yaml
	go test ./test/manifests -run TestGenerated -timeout 30m -update

.PHONY: fuzz
FUZZ ?= 1000000
fuzz: ## FUZZ reviews, values, configurations, patterns and airflow.cfgs each, made from nasty parts; the counts are printed
	go test ./webhook -run '^TestReviews$$' -v -timeout 0 -inputs $(FUZZ)
	go test ./injector/fetcher/airflow -run '^TestValues$$' -v -timeout 0 -inputs $(FUZZ)
	go test ./injector/contract -run '^TestConfigurations$$' -v -timeout 0 -inputs $(FUZZ)
	go test ./injector/contract/pattern -run '^TestPatterns$$' -v -timeout 0 -inputs $(FUZZ)
	go test ./injector/fetcher/airflowcfg -run '^TestFilesAsConfigparser$$' -v -timeout 0 -inputs $(FUZZ)

.PHONY: airflow
VALUES ?= slice
VERSIONS ?= all
airflow: ## the real Airflow in all six versions, or in VERSIONS=2.10.5,3.0.6; VALUES=all for every generated value
	go test ./test/airflow -v -timeout 60m -airflow=$(VERSIONS) -values=$(VALUES)
	go test ./injector/fetcher/airflowcfg -run AsAirflow -v -timeout 60m -airflow=$(VERSIONS)

.PHONY: e2e
e2e: build ## a real Kubernetes (KUBECONFIG's, or one that is started here), the chart, the real Airflow; E2E="--only NAME" for a part
	@go build -o bin/e2e ./test/cluster && exec bin/e2e $(E2E)

.PHONY: bench
bench: ## benchmarks, each beside its baseline in the same run; last what a look-up costs in the real Airflow
	go test ./cmd/... ./injector/... ./webhook -run '^$$' -bench . -benchmem
	@go run ./test/bench

.PHONY: release-check
release-check: ## the full length of all that CI runs in slices
	$(MAKE) lint test race
	$(MAKE) airflow VALUES=all
	$(MAKE) fuzz
	$(MAKE) bench
	$(MAKE) e2e

# This machine's architecture comes last, so the tag without an ending and the programs in bin/ are for it.
.PHONY: images
images: export BUILDX_NO_DEFAULT_ATTESTATIONS = 1
images: HERE = $(shell go env GOARCH)
images: ## build both images, for amd64 and arm64, with docker (or DOCKER=podman, DOCKER=buildah)
	for arch in $(filter-out $(HERE),amd64 arm64) $(HERE); do \
	  $(MAKE) build GOOS=linux GOARCH=$$arch VERSION=$(VERSION) || exit; \
	  for image in webhook fetcher; do \
	    $(or $(DOCKER),docker) build --platform linux/$$arch --target $$image -t airflow-secrets-$$image:$(VERSION)-$$arch -t airflow-secrets-$$image:$(VERSION) . || exit; \
	  done; \
	done

.PHONY: clean
clean: ## remove bin/ and .cache/
	rm -rf bin .cache
