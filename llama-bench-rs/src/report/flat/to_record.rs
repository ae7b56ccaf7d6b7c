use std::time::Duration;

use super::{Flat, FlatCurvePoint, FlatKind, FlatSample, OutcomeKind};
use crate::{
    record::{
        Build, Cell, Config, CurvePoint, Disturbance, Failure, Group, Header, Host, Load, Measured, Method,
        ModelInfo, OrderChoice, Outcome, Resolved, Sample, Summarised, Test, TestKind, Timing, Warmup,
    },
    report::error::Problem,
    units::{RateSpread, TokensPerSecond},
};

impl Flat {
    /// The run that this row belongs to.
    ///
    /// # Errors
    /// A field holds a value that the record cannot hold.
    pub(crate) fn header(&self) -> Result<Header, Problem> {
        Ok(Header {
            build: Build {
                commit: self.build_commit.clone(),
                number: self.build_number,
                source: self.build_source.clone(),
                version: self.build_version.clone(),
                compiler: self.build_compiler.clone(),
                cmake_options: self.build_cmake_options.clone(),
            },
            host: Host {
                cpu_info: self.cpu_info.clone(),
                gpu_info: self.gpu_info.clone(),
                backends: self.backends.clone(),
                driver: self.driver.clone(),
                devices: self.device_list.clone(),
                backend_features: self.backend_features.clone(),
                cpu_features: self.cpu_features.clone(),
            },
            model: ModelInfo {
                filename: self.model_filename.clone(),
                like: self.model_like.clone(),
                description: self.model_type.clone(),
                architecture: self.model_architecture.clone(),
                size_bytes: self.model_size,
                n_params: self.model_n_params,
                n_layer: self.model_n_layer,
                n_ctx_train: self.model_n_ctx_train,
                n_vocab: self.model_n_vocab,
            },
            config: self.config()?,
            resolved: Resolved {
                flash_attn: self.flash_attn_resolved,
                n_ctx: self.n_ctx,
                n_seq_max: self.n_seq_max_resolved,
                offloaded_layers: self.offloaded_layers.zip(self.offloadable_layers),
                memory: self.memory.clone(),
                order: self.rep_order,
            },
            work: self.work.clone().into_iter().collect(),
            links: self.links.clone(),
            load: Load {
                elapsed: self.load_ns.map(Duration::from_nanos),
                size_bytes: self.load_bytes,
                source: self.load_source,
            },
            placement: self.placement,
            numa: self.numa_nodes.clone(),
            timing: Timing {
                started_at: self.run_started_at.clone(),
                wall: self.run_wall_ns.map(Duration::from_nanos),
                open: self.run_open_ns.map(Duration::from_nanos),
                fill: self.run_fill_ns.map(Duration::from_nanos),
                rewind: self.run_rewind_ns.map(Duration::from_nanos),
                timed: self.run_timed_ns.map(Duration::from_nanos),
                warmup: self.run_warmup_ns.map(Duration::from_nanos),
                order_choice: self.rep_order_reason.map(|reason| OrderChoice {
                    reason,
                    returns: self.rep_order_returns_ns.map(Duration::from_nanos),
                    timed: self.rep_order_timed_ns.map(Duration::from_nanos),
                }),
                clock_resolution: self.clock_resolution_ns.map(Duration::from_nanos),
                clock_overhead: self.clock_overhead_ns.map(Duration::from_nanos),
                n_decoded_tokens: self.n_decoded_tokens,
            },
            metering: self.metering.clone(),
            ceilings: self.ceilings.clone(),
            read_from: String::new(),
        })
    }

    /// What was asked for in the run that this row belongs to.
    pub(crate) fn config(&self) -> Result<Config, Problem> {
        let is_llama_benchs = self.schema_version.is_none();
        let n_samples = u32::try_from(self.samples_ns.len()).ok().filter(|&n| n > 0);
        // A failed row does not say, nor one of several sequences: see the module.
        let is_kept_out = self.outcome == Some(OutcomeKind::Failed) || self.n_parallel.is_some_and(|n| n > 1);
        let asked = self.parameters()?;
        Ok(Config {
            // llama-bench uses the same number for both.
            n_threads_batch: self.n_threads_batch.or(self.n_threads.filter(|_| is_llama_benchs)),
            // llama-bench asks for them in all of its tests.
            embeddings: if self.test_kind.is_some() { self.always_embeddings } else { self.embeddings },
            fit_target: self
                .fit_target_mib
                .or(self.fit_target)
                .or(self.fit_min_ctx.filter(|_| is_kept_out).map(u64::from)),
            // llama-bench does not say; its JSON has as many samples as repetitions.
            n_reps: self.n_reps.or(n_samples.filter(|_| is_llama_benchs)),
            method: self.method.or(is_llama_benchs.then_some(Method::FreshContext)),
            ..asked
        })
    }

    /// The test that was planned; `None` for llama-bench's blend of prompt and generation, which is neither.
    pub(crate) fn test(&self) -> Option<Test> {
        let kind = match self.kind()? {
            FlatKind::Pp => TestKind::Pp(self.n_prompt),
            FlatKind::Tg => TestKind::Tg(self.n_gen),
            FlatKind::Embd => TestKind::Embd(self.n_prompt),
        };
        let group = self.pg_prompt.zip(self.pg_gen);
        let group = group.map(|(n_prompt, n_gen)| Group { n_prompt, n_gen });
        Some(Test { kind, n_depth: self.n_depth, group, n_parallel: self.n_parallel.unwrap_or(1) })
    }

    /// What was timed. llama-bench's row of a prompt with embeddings is a test of those.
    fn kind(&self) -> Option<FlatKind> {
        let is_half = self.pg_prompt.is_some();
        match (self.n_prompt, self.n_gen) {
            (_, 0) => {
                let is_embedding = self.embeddings == Some(true) && !is_half;
                Some(self.test_kind.unwrap_or(if is_embedding { FlatKind::Embd } else { FlatKind::Pp }))
            }
            (0, _) => Some(FlatKind::Tg),
            _ => None,
        }
    }

    /// The cell; `None` if [`Flat::test`] is.
    ///
    /// # Errors
    /// The figures of this outcome are missing, or the test is of no sequence.
    pub(crate) fn cell(&self) -> Result<Option<Cell>, Problem> {
        let of = |outcome| match outcome {
            Outcome::Measured(measured) => Outcome::of(measured),
            other => other,
        };
        Ok(self.part_of_cell()?.map(|cell| Cell { outcome: of(cell.outcome), ..cell }))
    }

    /// The same of a row that may have a part of the cell's repetitions, or none of them.
    pub(crate) fn part_of_cell(&self) -> Result<Option<Cell>, Problem> {
        if self.n_parallel == Some(0) {
            return Err(Problem::new("n_parallel", 0, "1 or more sequences"));
        }
        let Some(test) = self.test() else { return Ok(None) };
        let is_summarised = self.samples_ns.is_empty();
        let of_samples = if is_summarised { OutcomeKind::Summarised } else { OutcomeKind::Measured };
        let outcome = match self.outcome.unwrap_or(of_samples) {
            OutcomeKind::Measured => Outcome::Measured(self.measured()?),
            OutcomeKind::Summarised => Outcome::Summarised(self.summarised()?),
            OutcomeKind::Failed => Outcome::Failed(Failure {
                kind: self.error_kind.clone().unwrap_or_default().into(),
                message: self.error_message.clone().unwrap_or_default(),
            }),
        };
        Ok(Some(Cell { test, started_at: self.test_time.clone(), outcome }))
    }

    fn measured(&self) -> Result<Measured, Problem> {
        let n = self.samples_ns.len();
        for (field, len) in [
            ("steps_ns", self.steps_ns.len()),
            ("samples_at_ns", self.samples_at_ns.len()),
            ("samples_pace_ns", self.samples_pace_ns.len()),
            ("samples_disturbance", self.samples_disturbance.len()),
            ("samples_utc_ns", self.samples_utc_ns.len()),
            ("samples_energy", self.samples_energy.len()),
        ] {
            if len != 0 && len != n {
                let found = format!("{len} entries");
                return Err(Problem::new(field, found, format!("as many as samples_ns, {n}")));
            }
        }
        let sample = |i: usize| Sample {
            elapsed: Duration::from_nanos(self.samples_ns[i]),
            steps: self.steps_ns.get(i).map(|steps| durations(steps)).unwrap_or_default(),
            at: self.samples_at_ns.get(i).copied().map(Duration::from_nanos),
            calibration: self.samples_pace_ns.get(i).copied().flatten().map(Duration::from_nanos),
            disturbance: self.samples_disturbance.get(i).and_then(Option::as_ref).map(Disturbance::from),
            utc: self.samples_utc_ns.get(i).copied().map(Duration::from_nanos),
            energy: self.samples_energy.get(i).cloned().unwrap_or_default(),
        };
        Ok(Measured {
            samples: (0..n).map(sample).collect(),
            set_aside: self.set_aside.iter().map(Sample::from).collect(),
            live: self.live.as_ref().map(Sample::from),
            rewind: self.rewind,
            warmup: self.warmup_runs.map(|n_runs| Warmup { n_runs, settled: self.warmup_settled }),
            stop: self.stop,
            ended: self.ended(),
            conditions: self.conditions.clone(),
            work: self.cell_work.clone(),
            work_unknown: self.cell_work_unknown.clone(),
            profile: self.profile.clone(),
        })
    }

    /// What ended a measured cell after some of its repetitions, other than an interruption.
    pub(in crate::report) fn ended(&self) -> Option<Failure> {
        let kind = self.error_kind.clone().filter(|kind| kind != "cancelled")?;
        Some(Failure { kind: kind.into(), message: self.error_message.clone().unwrap_or_default() })
    }

    fn summarised(&self) -> Result<Summarised, Problem> {
        let avg_ns =
            self.avg_ns.ok_or_else(|| Problem::new("avg_ns", "nothing", "a number of nanoseconds"))?;
        // llama-bench writes 0 for the spread of one sample, which has none.
        let known = |is_zero: bool| self.schema_version.is_some() || !is_zero;
        Ok(Summarised {
            mean: Duration::from_nanos(avg_ns),
            stddev: self.stddev_ns.filter(|&ns| known(ns == 0)).map(Duration::from_nanos),
            rate: self.avg_ts.and_then(TokensPerSecond::new),
            rate_stddev: self.stddev_ts.filter(|&ts| known(ts == 0.0)).and_then(RateSpread::new),
        })
    }
}

impl From<&FlatSample> for Sample {
    fn from(sample: &FlatSample) -> Self {
        Self {
            elapsed: Duration::from_nanos(sample.ns),
            steps: durations(&sample.steps_ns),
            at: sample.at_ns.map(Duration::from_nanos),
            calibration: sample.pace_ns.map(Duration::from_nanos),
            disturbance: sample.disturbance.as_ref().map(Disturbance::from),
            utc: sample.utc_ns.map(Duration::from_nanos),
            energy: sample.energy.clone(),
        }
    }
}

impl From<&FlatCurvePoint> for CurvePoint {
    fn from(point: &FlatCurvePoint) -> Self {
        let FlatCurvePoint { n_depth, n_tokens, ns, warmup } = *point;
        Self { n_depth, n_tokens, elapsed: Duration::from_nanos(ns), warmup }
    }
}

fn durations(ns: &[u64]) -> Vec<Duration> {
    ns.iter().copied().map(Duration::from_nanos).collect()
}
