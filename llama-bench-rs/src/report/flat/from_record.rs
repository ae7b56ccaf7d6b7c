use std::time::Duration;

use serde_json::Value;

use super::{Flat, FlatCurvePoint, FlatDisturbance, FlatKind, FlatSample, OutcomeKind};
use crate::{
    record::{Cell, CurvePoint, Header, Outcome, SCHEMA_VERSION, Sample, TestKind},
    stats::{Samples, TimeSpread},
    units::{RateSpread, TokensPerSecond},
};

/// Nanoseconds, cut at what a signed 64-bit integer holds (292 years).
pub(super) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).min(i64::MAX as u64)
}

impl From<&Header> for Flat {
    /// The part of a row that all cells of a run share.
    fn from(header: &Header) -> Self {
        let Header {
            build,
            host,
            model,
            config,
            resolved,
            load,
            placement,
            numa,
            timing,
            metering,
            ceilings,
            links,
            work: _,
            read_from: _,
        } = header;
        let mut row = Flat {
            build_commit: build.commit.clone(),
            build_number: build.number,
            cpu_info: host.cpu_info.clone(),
            gpu_info: host.gpu_info.clone(),
            backends: host.backends.clone(),
            model_filename: model.filename.clone(),
            model_type: model.description.clone(),
            model_size: model.size_bytes,
            model_n_params: model.n_params,
            always_embeddings: config.embeddings,
            fit_target_mib: config.fit_target.filter(|_| config.fit_min_ctx != Some(0)),
            schema_version: Some(SCHEMA_VERSION),
            rep_order: resolved.order,
            rep_order_reason: timing.order_choice.map(|choice| choice.reason),
            rep_order_returns_ns: timing.order_choice.and_then(|choice| choice.returns).map(ns),
            rep_order_timed_ns: timing.order_choice.and_then(|choice| choice.timed).map(ns),
            flash_attn_resolved: resolved.flash_attn,
            n_ctx: resolved.n_ctx,
            n_seq_max_resolved: resolved.n_seq_max,
            offloaded_layers: resolved.offloaded_layers.map(|(n, _)| n),
            offloadable_layers: resolved.offloaded_layers.map(|(_, of)| of),
            memory: resolved.memory.clone(),
            driver: host.driver.clone(),
            device_list: host.devices.clone(),
            backend_features: host.backend_features.clone(),
            cpu_features: host.cpu_features.clone(),
            model_like: model.like.clone(),
            model_architecture: model.architecture.clone(),
            model_n_layer: model.n_layer,
            model_n_ctx_train: model.n_ctx_train,
            model_n_vocab: model.n_vocab,
            build_source: build.source.clone(),
            build_version: build.version.clone(),
            build_compiler: build.compiler.clone(),
            build_cmake_options: build.cmake_options.clone(),
            load_ns: load.elapsed.map(ns),
            load_bytes: load.size_bytes,
            load_source: load.source,
            placement: *placement,
            links: links.clone(),
            numa_nodes: numa.clone(),
            run_started_at: timing.started_at.clone(),
            run_wall_ns: timing.wall.map(ns),
            run_open_ns: timing.open.map(ns),
            run_fill_ns: timing.fill.map(ns),
            run_rewind_ns: timing.rewind.map(ns),
            run_timed_ns: timing.timed.map(ns),
            run_warmup_ns: timing.warmup.map(ns),
            clock_resolution_ns: timing.clock_resolution.map(ns),
            clock_overhead_ns: timing.clock_overhead.map(ns),
            n_decoded_tokens: timing.n_decoded_tokens,
            metering: metering.clone(),
            ceilings: ceilings.clone(),
            ..Flat::default()
        };
        row.set_parameters(config);
        row
    }
}

impl From<(&Header, &Cell)> for Flat {
    fn from((header, cell): (&Header, &Cell)) -> Self {
        let mut row = Flat::from(header);
        let (kind, n_prompt, n_gen) = match cell.test.kind {
            TestKind::Pp(n) => (FlatKind::Pp, n, 0),
            TestKind::Tg(n) => (FlatKind::Tg, 0, n),
            TestKind::Embd(n) => (FlatKind::Embd, n, 0),
        };
        (row.test_kind, row.n_prompt, row.n_gen) = (Some(kind), n_prompt, n_gen);
        if kind == FlatKind::Embd {
            row.embeddings = Some(true);
        }
        row.n_depth = cell.test.n_depth;
        row.n_parallel = Some(cell.test.n_parallel);
        row.pg_prompt = cell.test.group.map(|g| g.n_prompt);
        row.pg_gen = cell.test.group.map(|g| g.n_gen);
        row.test_time.clone_from(&cell.started_at);
        row.work = header.work_of(cell.test.kind).cloned();
        row.set_outcome(cell);
        row.set_energy(header, cell);
        row.set_light(header, cell);
        row.avg_ts_per_sequence = row.avg_ts.map(|rate| rate / f64::from(cell.test.n_parallel));
        if cell.test.n_parallel > 1 {
            // llama-bench's columns cannot tell it from the row of one sequence: a script would average the two.
            row.fit_target = None;
        }
        if let Some(ended) = cell.measured().and_then(|measured| measured.ended.as_ref()) {
            row.error_kind = Some(ended.kind.to_string());
            row.error_message = Some(ended.message.clone());
        } else if let Some(cut) = cell.cut_short(&header.config) {
            row.error_kind = Some("cancelled".into());
            row.error_message = Some(cut.to_string());
        }
        row
    }
}

impl Flat {
    fn set_outcome(&mut self, cell: &Cell) {
        match &cell.outcome {
            Outcome::Measured(measured) => {
                self.outcome = Some(OutcomeKind::Measured);
                self.set_samples(cell, &measured.samples);
                self.set_aside = measured.set_aside.iter().map(FlatSample::from).collect();
                self.live = measured.live.as_ref().map(FlatSample::from);
                self.rewind = measured.rewind;
                self.warmup_runs = measured.warmup.map(|warmup| warmup.n_runs);
                self.warmup_settled = measured.warmup.and_then(|warmup| warmup.settled);
                self.stop = measured.stop;
                self.conditions.clone_from(&measured.conditions);
                self.cell_work.clone_from(&measured.work);
                self.cell_work_unknown.clone_from(&measured.work_unknown);
                self.profile.clone_from(&measured.profile);
                if let Some(steps) = cell.step_summary() {
                    self.first_step_ns = Some(ns(steps.first));
                    self.transient_steps =
                        steps.transient.and_then(|transient| u32::try_from(transient.n_steps).ok());
                    self.transient_excess_ns = steps.transient.map(|transient| ns(transient.excess));
                    self.steady_step_ns = steps.steady.map(ns);
                }
                if let Some(spread) = steps_of(&measured.samples) {
                    self.step_p50_ns = Some(ns(spread.p50));
                    self.step_p90_ns = Some(ns(spread.p90));
                    self.step_p99_ns = Some(ns(spread.p99));
                }
            }
            Outcome::Summarised(summary) => {
                self.outcome = Some(OutcomeKind::Summarised);
                self.avg_ns = Some(ns(summary.mean));
                self.stddev_ns = summary.stddev.map(ns);
                self.avg_ts = summary.rate.map(TokensPerSecond::get);
                self.stddev_ts = summary.rate_stddev.map(RateSpread::get);
            }
            Outcome::Failed(failure) => {
                self.outcome = Some(OutcomeKind::Failed);
                self.fit_target = None;
                self.error_kind = Some(failure.kind.to_string());
                self.error_message = Some(failure.message.clone());
            }
        }
    }

    fn set_samples(&mut self, cell: &Cell, samples: &[Sample]) {
        let n_tokens = u64::from(cell.test.n_tokens());
        self.samples_ns = samples.iter().map(|s| ns(s.elapsed)).collect();
        self.samples_ts = samples
            .iter()
            .map(|s| TokensPerSecond::from_elapsed(n_tokens, s.elapsed).map(TokensPerSecond::get))
            .collect();
        self.samples_at_ns = samples.iter().map(|s| s.at.map(ns)).collect::<Option<_>>().unwrap_or_default();
        self.samples_utc_ns =
            samples.iter().map(|s| s.utc.map(ns)).collect::<Option<_>>().unwrap_or_default();
        if samples.iter().any(|s| !s.energy.is_empty()) {
            self.samples_energy = samples.iter().map(|s| s.energy.clone()).collect();
        }
        if samples.iter().any(|s| s.calibration.is_some()) {
            self.samples_pace_ns = samples.iter().map(|s| s.calibration.map(ns)).collect();
        }
        if samples.iter().any(|s| s.disturbance.is_some()) {
            self.samples_disturbance =
                samples.iter().map(|s| s.disturbance.as_ref().map(FlatDisturbance::from)).collect();
        }
        if samples.iter().any(|s| !s.steps.is_empty()) {
            self.steps_ns = samples.iter().map(|s| s.steps.iter().copied().map(ns).collect()).collect();
        }
        if let Some(times) = Samples::new(samples.iter().map(|s| s.elapsed)) {
            self.avg_ns = Some(ns(times.mean()));
            self.stddev_ns = times.stddev().map(ns);
        }
        if let Some(rates) = cell.rate_samples() {
            self.avg_ts = Some(rates.mean().get());
            self.stddev_ts = rates.stddev().map(RateSpread::get);
        }
    }

    fn set_light(&mut self, header: &Header, cell: &Cell) {
        match header.light_of(cell) {
            None => {}
            Some(Err(why)) => self.light_unknown = Some(why.to_string()),
            Some(Ok(light)) => {
                self.light_floor_ns = Some(ns(light.floor));
                self.light_share = Some(light.share);
                self.light_share_lower = Some(light.share_bounds.lower());
                self.light_share_upper = Some(light.share_bounds.upper());
                self.light_binds = Some(light.binds.to_string());
            }
        }
    }

    fn set_energy(&mut self, header: &Header, cell: &Cell) {
        match header.energy_of(cell) {
            None => {}
            Some(Err(why)) => self.energy_unknown = Some(why.to_string()),
            Some(Ok(energy)) => {
                let per_token = energy.per_token_bounds();
                self.energy_j = Some(energy.joules);
                self.energy_lower_j = Some(energy.joule_bounds.lower());
                self.energy_upper_j = Some(energy.joule_bounds.upper());
                self.j_per_token = Some(energy.per_token());
                self.j_per_token_lower = Some(per_token.lower());
                self.j_per_token_upper = Some(per_token.upper());
                self.energy_idle_share = energy.idle_share();
                self.energy_meters = energy.meters.join(", ");
            }
        }
    }

    /// Puts chunks of the fill onto this row.
    pub(crate) fn set_curve(&mut self, curve: &[CurvePoint]) {
        self.curve = curve
            .iter()
            .map(|p| FlatCurvePoint {
                n_depth: p.n_depth,
                n_tokens: p.n_tokens,
                ns: ns(p.elapsed),
                warmup: p.warmup,
            })
            .collect();
    }

    /// What takes the place of null in CSV, which has none. Empty text equals empty text in a join of two failed
    /// rows, so the one column that keeps rows out of joins names the build there.
    pub(crate) fn csv_null(&self, field: &str) -> Value {
        match (self.outcome, self.n_parallel, field) {
            (Some(OutcomeKind::Failed), _, "fit_target") => format!("failed@{}", self.build_commit).into(),
            (_, Some(n @ 2..), "fit_target") => format!("x{n}@{}", self.build_commit).into(),
            _ => "".into(),
        }
    }
}

/// Whether this text of the column `fit_target` is what [`Flat::csv_null`] writes to keep a row out of joins.
pub(in crate::report) fn keeps_out_of_joins(text: &str) -> bool {
    let is_level = |word: &str| word.strip_prefix('x').is_some_and(|n| n.parse::<u32>().is_ok());
    text.split_once('@').is_some_and(|(word, _)| word == "failed" || is_level(word))
}

/// How the steps of all repetitions are spread.
fn steps_of(samples: &[Sample]) -> Option<TimeSpread> {
    TimeSpread::of(&Samples::new(samples.iter().flat_map(|sample| &sample.steps).copied())?)
}

impl From<&Sample> for FlatSample {
    fn from(sample: &Sample) -> Self {
        Self {
            ns: ns(sample.elapsed),
            steps_ns: sample.steps.iter().copied().map(ns).collect(),
            at_ns: sample.at.map(ns),
            pace_ns: sample.calibration.map(ns),
            disturbance: sample.disturbance.as_ref().map(FlatDisturbance::from),
            utc_ns: sample.utc.map(ns),
            energy: sample.energy.clone(),
        }
    }
}
