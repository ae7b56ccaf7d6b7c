//! `--plan`: what would be served, and its memory.

use llama_bench_rs::{
    serve::LoadPreview,
    units::words::{bytes, count},
};

use crate::{
    Failed,
    args::Args,
    requests::{Configuration, Job, before, refused},
};

/// Prints it; whether everything can be served.
pub fn tell(args: &Args, job: &Job) -> Result<bool, Failed> {
    let mut is_possible = true;
    for group in job.configurations.chunk_by(Configuration::shares_load) {
        let model = match group[0].source.load(&group[0].model) {
            Ok(model) => model,
            Err(error) => {
                is_possible = false;
                group.iter().for_each(|one| say!("{}", before(&one.name, &error.to_string())));
                continue;
            }
        };
        for one in group {
            let loads = one.serve(args, job, &model).preview().map_err(|error| refused(&error))?;
            let name = if one.name.is_empty() { String::new() } else { format!("{}, ", one.name) };
            say!("{name}{}: {} of each load", one.path().display(), count(args.n_reps, "repetition"));
            for load in &loads {
                is_possible &= load.refusal.is_none();
                say!("  {}", line(load));
            }
            if let Some(search) = &job.search {
                let slo = args.slo.map(|slo| slo.to_string()).unwrap_or_default();
                say!("  a search from {} for the largest load that keeps {slo}", search.from);
            }
        }
    }
    Ok(is_possible)
}

fn line(load: &LoadPreview) -> String {
    if let Some(refusal) = &load.refusal {
        return format!("{}: cannot be served: {}", load.arrivals, refusal.message);
    }
    let memory = load.memory.as_ref().map(|estimate| {
        let devices = estimate.devices.iter();
        let each = devices.map(|(name, device)| format!("{} on {name}", bytes(device.total_bytes())));
        format!("; memory {}", each.collect::<Vec<_>>().join(", "))
    });
    format!(
        "{}: {} of {} tokens, {} prompt and {} generated tokens{}",
        load.arrivals,
        count(load.n_slots, "slot"),
        load.n_ctx_slot,
        load.n_prompt_tokens,
        load.n_gen_tokens,
        memory.unwrap_or_default(),
    )
}
