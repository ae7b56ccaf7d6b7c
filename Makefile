# The commands of the README. All are cargo underneath; `scripts/setup` installs what is missing first.
# With an NVIDIA GPU and its compiler, the parallel benchmark measures the reference configuration.
PARALLEL_GPU := $(and $(wildcard /dev/nvidiactl),$(shell command -v nvcc))

.PHONY: sweep bench-parallel test chat llama-cli setup lint docs unit simulations examples downstream package

sweep: setup
	cargo run --release --example sweep

# Many users at once: batched tests by number of sequences, then requests of a server. Another model: ARGS="-m model.gguf"
ifeq ($(PARALLEL_GPU),)
bench-parallel: PARALLEL_RUN = cargo run --release
bench-parallel: PARALLEL_SWEEP = -p 128 -n 16 -d 0,512 -npl 1,2,4,8 -r 3
bench-parallel: PARALLEL_SERVE = --users 1,2,4,8
else
bench-parallel: PARALLEL_RUN = cargo run --release --features cuda
bench-parallel: PARALLEL_SWEEP = -p 512 -n 32 -d 0,4096,16384 -npl 1,2,4,8,16,32 -fa 1 -ub 2048 $(if $(ARGS),,--shape gpt-oss-20b -lm none)
bench-parallel: PARALLEL_SERVE = --users 1,2,4,8,16,32 --requests 256 -fa 1 -ub 2048 $(if $(ARGS),,--shape gpt-oss-20b -lm none)
endif
bench-parallel: setup
	$(PARALLEL_RUN) --example sweep -- $(PARALLEL_SWEEP) -o term $(ARGS)
	$(PARALLEL_RUN) --example serve_bench -- $(PARALLEL_SERVE) -o term $(ARGS)

# A chat: make chat MODEL=chat-model.gguf ARGS="--system 'Be brief.'"
chat llama-cli: setup
	@cargo run --release --example generate -- $(if $(MODEL),--model '$(MODEL)') $(ARGS)

test: setup lint docs unit examples downstream
	@echo "all tests passed"

setup:
	@scripts/setup

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --examples --profile test -- -D warnings # the tests in the examples, which are no targets of their own
	scripts/features
	scripts/bindings --check
	scripts/api

# As a documentation host does: without building llama.cpp.
docs:
	DOCS_RS=1 RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

unit:
	cargo test --workspace
	cargo test --examples

# How often intervals and verdicts hold, over thousands of simulated measurements. `unit` makes a tenth of them.
simulations:
	LLAMA_BENCH_SIMULATIONS=full cargo test -p llama-bench-rs --lib -- simulation transient

# The examples as a user runs them.
examples:
	cargo run --example sweep -- --list-devices
	cargo run --example sweep -- --shape tiny-llama -p 32 -n 4 -d 0,128 -r 2 -o json > target/sweep.json
	cargo run --example generate -- --prompt hello --n-gen 16
	cargo run --example embed -- "a cat" "a kitten"
	printf 'hello\nand again\n/stats\n' | cargo run --example generate -- -n 16 --system 'Be brief.'
	cargo run --example method_check -- -p 32 -n 4 -d 0,128 -r 1 --rounds 2 --tolerance 1000
	cargo run --example serve_check -- --requests 8 --rounds 2 --tolerance 1000
	cargo run --example compare -- --b "-fa 0" -p 32 -n 4 -d 0,128 -r 3 --allow-slower
	cargo run --example sweep -- --shape tiny-gpt-oss -p 32 -n 4 -d 0,200 --verify
	cargo run --example serve_bench -- --shape tiny-llama --users 1,2 --prompt 16 --generate 4 --requests 4 -r 2
	cargo run --example report -- target/sweep.json --html target/sweep.html --svg target/sweep.svg --force
	cargo run --example sweep

# A crate of its own that uses the library from its tests, as an application would: by path, then from git.
downstream:
	scripts/downstream

# The crates as a registry gets them, built and documented outside the repository.
package:
	scripts/package
