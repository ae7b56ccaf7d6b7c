use super::{
    Context, LlamaError, Model, SamplerChain, Token,
    model_params::setters,
    sampler_step::{Candidates, Step},
};

/// How the next token is chosen. The default takes the most likely one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SamplerParams {
    /// Flattens (above 1) or sharpens (below 1) the distribution, from 0.000001; 0 takes the most likely token always.
    pub temperature: f32,
    /// Only the most likely so many tokens; 0 for all.
    pub top_k: u32,
    /// Only the most likely tokens that together have this probability, 0 to 1; 1 for all.
    pub top_p: f32,
    /// Only tokens at least this share as likely as the most likely one, 0 to 1; 0 for all.
    pub min_p: f32,
    /// Seed of the draws; `u32::MAX` is another one each time.
    #[doc(alias = "LLAMA_DEFAULT_SEED")]
    pub seed: u32,
}

setters!(SamplerParams {
    /// Flattens (above 1) or sharpens (below 1) the distribution, from 0.000001; 0 takes the most likely token always.
    temperature: f32,
    /// Only the most likely so many tokens; 0 for all.
    top_k: u32,
    /// Only the most likely tokens that together have this probability, 0 to 1; 1 for all.
    top_p: f32,
    /// Only tokens at least this share as likely as the most likely one, 0 to 1; 0 for all.
    min_p: f32,
    /// Seed of the draws; `u32::MAX` is another one each time.
    #[doc(alias = "LLAMA_DEFAULT_SEED")]
    seed: u32,
});

impl Default for SamplerParams {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: 42 }
    }
}

/// Chooses tokens by the logits of a context.
///
/// [`Sampler::new`] makes the usual one; [`Sampler::chain`] puts one together from steps such as penalties or a grammar.
///
/// `Send`: a sampler is tied to no thread. Not `Sync`: drawing changes it.
#[doc(alias = "llama_sampler")]
pub struct Sampler {
    /// All but the last one drop candidates; the last one chooses.
    steps: Vec<Step>,
    candidates: Candidates,
    /// An exception left the state of a step unknown.
    broken: Option<String>,
    /// The model whose tokens the steps know; dropped after them.
    model: Option<Model>,
}

impl Sampler {
    /// A chain of top-k, top-p, min-p, temperature and a seeded draw, in llama.cpp's usual order.
    ///
    /// # Errors
    /// A value is out of range.
    #[doc(alias = "llama_sampler_chain_init")]
    pub fn new(params: &SamplerParams) -> Result<Self, LlamaError> {
        let SamplerParams { temperature, top_k, top_p, min_p, seed } = *params;
        let chain = SamplerChain::without_model();
        if temperature == 0.0 {
            // Checked all the same: a value out of range is a mistake wherever it has no effect.
            chain.top_p(top_p).min_p(min_p).greedy()?;
            return SamplerChain::without_model().greedy();
        }
        chain.top_k(top_k).top_p(top_p).min_p(min_p).temperature(temperature).draw(seed)
    }

    /// Begins a chain of steps for contexts of this model; they are applied in the order in which they are added, and
    /// the last one chooses.
    ///
    /// ```
    /// use llama_bench_rs::{
    ///     llama::{Context, ContextParams, Penalties, Sampler},
    ///     testing,
    /// };
    ///
    /// let model = testing::tiny_model()?;
    /// let mut context = Context::new(&model, &ContextParams::default().n_ctx(64))?;
    /// let mut sampler = Sampler::chain(&model)
    ///     .logit_bias([(7, f32::NEG_INFINITY)])
    ///     .penalties(Penalties::default().repeat(1.1))
    ///     .top_k(40)
    ///     .temperature(0.8)
    ///     .draw(42)?;
    /// context.decode_tokens(&[1, 2, 3])?;
    /// assert_ne!(sampler.sample(&mut context, -1)?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "llama_sampler_chain_add")]
    pub fn chain(model: &Model) -> SamplerChain {
        SamplerChain::new(model)
    }

    /// Of steps; the last one chooses.
    pub(super) fn of_steps(steps: Vec<Step>, model: Option<Model>) -> Self {
        Self { steps, candidates: Candidates::default(), broken: None, model }
    }

    /// Chooses a token by the logits of an output, counted as in [`Context::logits`], and remembers it.
    ///
    /// # Errors
    /// There are no such logits, or they are not numbers; the sampler was made for another model; a step such as the
    /// grammar rules out every token; an earlier exception of llama.cpp left the sampler unusable until it is reset.
    #[doc(alias = "llama_sampler_sample")]
    pub fn sample(&mut self, context: &mut Context, output: i32) -> Result<Token, LlamaError> {
        context.check_intact("llama_sampler_sample")?;
        self.check_intact()?;
        if self.model.as_ref().is_some_and(|model| model.as_raw() != context.model().as_raw()) {
            return Err(LlamaError::Unsupported {
                what: "choosing a token".into(),
                why: "the sampler was made for another model: make one for the model of this context".into(),
            });
        }
        let Some(logits) = context.logits(output) else {
            return Err(LlamaError::Parameter {
                name: "output",
                value: output.to_string(),
                remedy: "the last decode left no logits there: decode first and ask for them".into(),
            });
        };
        self.candidates.fill(logits)?;
        let token = self.choose()?;
        self.tell(token, true)?;
        Ok(token)
    }

    fn choose(&mut self) -> Result<Token, LlamaError> {
        let mut by = "the model";
        for step in &mut self.steps {
            if self.candidates.list.is_empty() {
                break;
            }
            match step.apply(&mut self.candidates) {
                Ok(Some(token)) => return Ok(token),
                Ok(None) => by = step.name(),
                Err(exception) => {
                    return Err(broken_by(&mut self.broken, "llama_sampler_apply", exception));
                }
            }
        }
        Err(LlamaError::Unsupported {
            what: "choosing a token".into(),
            why: format!("no token is left after {by}: loosen it, or what comes before it in the chain"),
        })
    }

    /// Remembers a token that was chosen in another way, as [`sample`](Self::sample) does its own: penalties count it, a
    /// grammar goes on after it.
    ///
    /// # Errors
    /// It is not in the vocabulary, or the grammar does not allow it here; nothing has changed then. Or an earlier
    /// exception of llama.cpp left the sampler unusable until it is reset.
    #[doc(alias = "llama_sampler_accept")]
    pub fn accept(&mut self, token: Token) -> Result<(), LlamaError> {
        self.check_intact()?;
        self.check_token(token)?;
        for step in self.steps.iter_mut().filter(|step| step.is_grammar()) {
            match step.allows(token) {
                Ok(true) => {}
                Ok(false) => {
                    let remedy =
                        "the grammar does not allow this token here: accept another one, or reset".into();
                    return Err(LlamaError::Parameter { name: "token", value: token.to_string(), remedy });
                }
                Err(exception) => {
                    return Err(broken_by(&mut self.broken, "llama_sampler_apply", exception));
                }
            }
        }
        self.tell(token, true)
    }

    /// Remembers the tokens of a prompt: penalties count them, a grammar, which is of the answer alone, does not.
    ///
    /// # Errors
    /// One is not in the vocabulary, or an earlier exception of llama.cpp left the sampler unusable until it is reset.
    pub fn accept_prompt(&mut self, tokens: &[Token]) -> Result<(), LlamaError> {
        self.check_intact()?;
        tokens.iter().try_for_each(|&token| self.check_token(token))?;
        tokens.iter().try_for_each(|&token| self.tell(token, false))
    }

    fn tell(&mut self, token: Token, to_grammars: bool) -> Result<(), LlamaError> {
        for step in self.steps.iter_mut().filter(|step| to_grammars || !step.is_grammar()) {
            if let Err(exception) = step.accept(token) {
                return Err(broken_by(&mut self.broken, "llama_sampler_accept", exception));
            }
        }
        Ok(())
    }

    /// Forgets what was chosen; the draws begin again at the seed, a grammar at its beginning.
    #[doc(alias = "llama_sampler_reset")]
    pub fn reset(&mut self) {
        self.broken = self.steps.iter_mut().filter_map(|step| step.reset().err()).next_back();
    }

    /// The steps by name, in order.
    pub fn steps(&self) -> impl Iterator<Item = &'static str> {
        self.steps.iter().map(Step::name)
    }

    fn check_token(&self, token: Token) -> Result<(), LlamaError> {
        let n_vocab = self.model.as_ref().map_or(i32::MAX as u32, Model::n_vocab);
        match u32::try_from(token) {
            Ok(id) if id < n_vocab => Ok(()),
            _ => Err(LlamaError::Token { token, n_vocab }),
        }
    }

    fn check_intact(&self) -> Result<(), LlamaError> {
        match &self.broken {
            Some(exception) => Err(LlamaError::Exception {
                what: "an earlier use of this sampler",
                exception: format!("{exception}; reset the sampler"),
            }),
            None => Ok(()),
        }
    }
}

fn broken_by(broken: &mut Option<String>, what: &'static str, exception: String) -> LlamaError {
    *broken = Some(exception.clone());
    if LlamaError::is_memory(&exception) {
        return LlamaError::OutOfMemory { what: format!("calling {what}"), log: exception };
    }
    LlamaError::Exception { what, exception }
}

impl std::fmt::Debug for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sampler").field("steps", &self.steps().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}
