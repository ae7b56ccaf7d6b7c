//! Parameters that llama.cpp accepts although they have no effect, or another effect, for this model on this machine.

use std::{borrow::Cow, fmt};

use super::Plan;
use crate::{
    llama::{Backend, ContextParams, KvType, Model, ModelParams, SplitMode},
    record::{Test, TestKind},
    units::words::count,
};

/// A parameter whose value has no effect or another effect. Its `Display` is one sentence.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Note {
    /// The parameter, such as `n_cpu_moe`.
    pub parameter: Cow<'static, str>,
    /// Its value.
    pub value: String,
    /// What it does in this case.
    pub effect: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} {}", self.parameter, self.value, self.effect)
    }
}

fn note(parameter: &'static str, value: impl ToString, effect: impl Into<String>) -> Note {
    Note { parameter: parameter.into(), value: value.to_string(), effect: effect.into() }
}

/// Everything that is known before the sweep begins.
pub(super) fn notes(backend: &Backend, model: &Model, context: &ContextParams, plan: &Plan) -> Vec<Note> {
    let facts = Facts {
        n_gpus: model.params().gpus(backend).iter().filter(|device| device.kind().name() != "cpu").count(),
        n_experts: expert_count(model),
        n_swa: model.n_swa(),
        is_recurrent: model.is_recurrent(),
        n_ctx_train: model.n_ctx_train(),
        n_cpus: std::thread::available_parallelism().map_or(u32::MAX, |n| n.get() as u32),
    };
    let mut all = of_model(model.params(), &facts);
    let overrides = model.params().tensor_buft_overrides.iter();
    let unmatched = overrides.filter(|(pattern, _)| model.unmatched_overrides().contains(pattern));
    all.extend(unmatched.map(|(pattern, buffer)| {
        let value = format!("{pattern}={buffer}");
        note("tensor_buft_overrides", value, "has no effect: the pattern matches no tensor of the model")
    }));
    all.extend(of_context(context, &facts));
    all.extend(of_sequences(context, plan, &facts));
    all.extend(of_plan(plan, &facts));
    all
}

/// What decides whether a value means something.
struct Facts {
    n_gpus: usize,
    n_experts: u64,
    n_swa: u32,
    is_recurrent: bool,
    n_ctx_train: u32,
    n_cpus: u32,
}

fn expert_count(model: &Model) -> u64 {
    let count = model.metadata(&format!("{}.expert_count", model.architecture()));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn of_model(params: &ModelParams, facts: &Facts) -> Vec<Note> {
    let mut all = Vec::new();
    let no_gpu = "has no effect: there is no GPU here";
    if params.n_gpu_layers > 0 && facts.n_gpus == 0 {
        all.push(note("n_gpu_layers", params.n_gpu_layers, no_gpu));
    }
    if params.n_cpu_moe > 0 && facts.n_experts == 0 {
        all.push(note("n_cpu_moe", params.n_cpu_moe, "has no effect: the model has no experts"));
    }
    if params.tensor_split.len() > facts.n_gpus.max(1)
        || (!params.tensor_split.is_empty() && facts.n_gpus < 2)
    {
        let shares: Vec<String> = params.tensor_split.iter().map(f32::to_string).collect();
        let effect = match facts.n_gpus {
            0 => no_gpu.to_owned(),
            1 => "has no effect: there is one GPU, which gets everything".into(),
            n => format!("names {} shares and there are {n} GPUs: the first {n} count", shares.len()),
        };
        all.push(note("tensor_split", shares.join("/"), effect));
    }
    if params.main_gpu > 0 && params.split_mode == SplitMode::Layer {
        all.push(note("main_gpu", params.main_gpu, "has no effect with split mode layer: use none or row"));
    }
    if matches!(params.split_mode, SplitMode::None | SplitMode::Row) && facts.n_gpus == 0 {
        all.push(note("split_mode", params.split_mode.name(), no_gpu));
    }
    all
}

fn of_context(context: &ContextParams, facts: &Facts) -> Vec<Note> {
    let mut all = Vec::new();
    let n_masked = context.cpu_mask.iter().filter(|&&allowed| allowed).count() as u32;
    if context.cpu_strict && n_masked == 0 {
        all.push(note("cpu_strict", true, "has no effect without a CPU mask"));
    }
    let n_allowed = if n_masked > 0 { n_masked.min(facts.n_cpus) } else { facts.n_cpus };
    let n_threads = context.n_threads.max(context.n_threads_batch);
    if n_threads > n_allowed {
        let whose = if n_masked > 0 { "the mask allows" } else { "this process may use" };
        let effect = format!("is more than the {n_allowed} CPUs that {whose}: threads wait for each other");
        all.push(note("n_threads", n_threads, effect));
    }
    for (name, kv) in [("type_k", context.type_k), ("type_v", context.type_v)] {
        if kv != KvType::default() && facts.is_recurrent {
            all.push(note(name, kv.name(), "has no effect: a recurrent model has no KV cache"));
        }
    }
    if context.swa_full && facts.n_swa == 0 {
        all.push(note("swa_full", true, "has no effect: the model has no sliding window"));
    }
    if facts.n_gpus == 0 {
        let offloads = [("no_kv_offload", !context.offload_kqv), ("no_op_offload", !context.op_offload)];
        let asked = offloads.into_iter().filter(|&(_, asked)| asked);
        all.extend(asked.map(|(name, _)| note(name, true, "has no effect: there is no GPU here")));
    }
    all
}

fn of_sequences(context: &ContextParams, plan: &Plan, facts: &Facts) -> Vec<Note> {
    let mut all = Vec::new();
    let n_most = plan.cells.iter().map(|test| test.n_parallel).max().unwrap_or(1);
    if context.kv_unified && facts.is_recurrent {
        let effect = "has no effect: each sequence of a recurrent model has a state of its own";
        all.push(note("kv_unified", true, effect));
    } else if context.kv_unified && n_most == 1 {
        all.push(note("kv_unified", true, "has no effect: no test has several sequences (-npl)"));
    }
    if context.n_seq_max > n_most {
        let effect = format!(
            "is more than the {} that tests have at most: the rest takes memory",
            count(n_most, "sequence")
        );
        all.push(note("n_seq_max", context.n_seq_max, effect));
    }
    all
}

/// Tests that begin within the trained context and end past it are measured; those that begin past it fail.
fn of_plan(plan: &Plan, facts: &Facts) -> Vec<Note> {
    let crosses = |test: &&Test| {
        let end = u64::from(test.n_depth) + u64::from(test.kind.n_tokens());
        facts.n_ctx_train > 0 && test.n_depth <= facts.n_ctx_train && end > u64::from(facts.n_ctx_train)
    };
    let crossing = plan.cells.iter().filter(crosses).max_by_key(|test| test.n_depth);
    crossing
        .map(|test| {
            let effect = format!(
                "goes past the {} tokens that the model was trained for: the speed is right, the text would be meaningless",
                facts.n_ctx_train
            );
            let (name, value) = match (test.n_depth, test.kind) {
                (0, TestKind::Pp(n) | TestKind::Embd(n)) => ("n_prompt", n),
                (0, TestKind::Tg(n)) => ("n_gen", n),
                (depth, _) => ("n_depth", depth),
            };
            note(name, format!("{value} in {test}"), effect)
        })
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Request, plan::tests::request};

    fn facts() -> Facts {
        Facts { n_gpus: 0, n_experts: 0, n_swa: 0, is_recurrent: true, n_ctx_train: 66, n_cpus: 4 }
    }

    fn names(notes: &[Note]) -> Vec<&str> {
        notes.iter().map(|note| &*note.parameter).collect()
    }

    #[test]
    fn defaults_say_nothing() {
        let context = ContextParams::default().n_threads(4).n_threads_batch(4);
        assert_eq!(of_model(&ModelParams::default(), &facts()), []);
        assert_eq!(of_context(&context, &facts()), []);
        let plan = request().plan().unwrap();
        assert_eq!(of_plan(&plan, &Facts { n_ctx_train: 72, ..facts() }), []);
    }

    #[test]
    fn values_without_an_effect_are_named() {
        let model = ModelParams::default().n_gpu_layers(99).n_cpu_moe(99).tensor_split(vec![1.0, 2.0, 3.0]);
        let model = model.split_mode(SplitMode::Row);
        let found = of_model(&model, &facts());
        assert_eq!(names(&found), ["n_gpu_layers", "n_cpu_moe", "tensor_split", "split_mode"]);
        assert_eq!(found[1].to_string(), "n_cpu_moe = 99 has no effect: the model has no experts");
        let with_two = Facts { n_gpus: 2, n_experts: 8, ..facts() };
        let found = of_model(&model.main_gpu(1).split_mode(SplitMode::Layer), &with_two);
        assert_eq!(names(&found), ["tensor_split", "main_gpu"]);
        assert!(found[0].to_string().contains("1/2/3 names 3 shares and there are 2 GPUs"), "{}", found[0]);

        let context =
            ContextParams::default().n_threads(4).n_threads_batch(4).cpu_strict(true).swa_full(true);
        let context = context.type_k(KvType::Q8_0).offload_kqv(false).op_offload(false);
        let found = of_context(&context, &facts());
        assert_eq!(names(&found), ["cpu_strict", "type_k", "swa_full", "no_kv_offload", "no_op_offload"]);
        let able = Facts { n_gpus: 1, n_swa: 128, is_recurrent: false, ..facts() };
        assert_eq!(of_context(&context.cpu_mask(vec![true; 4]), &able), []);
    }

    #[test]
    fn what_concerns_several_sequences_is_said_if_no_test_has_so_many() {
        let attention = Facts { is_recurrent: false, ..facts() };
        let plan = |parallel| Request { parallel, ..request() }.plan().unwrap();
        let context = ContextParams::default().kv_unified(true).n_seq_max(8);
        let found = of_sequences(&context, &plan(vec![1]), &attention);
        assert_eq!(names(&found), ["kv_unified", "n_seq_max"]);
        assert!(found[0].effect.contains("no test has several sequences (-npl)"), "{}", found[0]);
        assert!(found[1].effect.contains("more than the 1 sequence that"), "{}", found[1]);
        assert_eq!(of_sequences(&context, &plan(vec![1, 8]), &attention), []);
        let found = of_sequences(&context, &plan(vec![1, 8]), &facts());
        assert!(names(&found) == ["kv_unified"] && found[0].effect.contains("recurrent"), "{found:?}");
        assert_eq!(of_sequences(&ContextParams::default(), &plan(vec![1]), &attention), []);
    }

    #[test]
    fn more_threads_than_cpus_are_said() {
        let masked = ContextParams::default().n_threads(4).n_threads_batch(4).cpu_mask(vec![false, true]);
        let found = of_context(&masked, &facts());
        assert_eq!(names(&found), ["n_threads"]);
        assert!(found[0].to_string().contains("1 CPUs that the mask allows"), "{}", found[0]);
        let many = ContextParams::default().n_threads(5).n_threads_batch(2);
        assert!(of_context(&many, &facts())[0].to_string().contains("4 CPUs that this process may use"));
    }

    #[test]
    fn a_test_that_ends_past_the_trained_context_is_said() {
        let plan = request().plan().unwrap();
        let found = of_plan(&plan, &facts());
        assert_eq!(names(&found), ["n_depth"]);
        assert!(found[0].to_string().contains("66 tokens"), "{}", found[0]);

        let facts = Facts { n_ctx_train: 1, ..facts() };
        let shallow = Request { depths: vec![0], ..request() };
        let found = of_plan(&shallow.plan().unwrap(), &facts);
        assert!(matches!(names(&found)[..], ["n_prompt" | "n_gen"]), "no depth is at fault: {found:?}");
    }
}
