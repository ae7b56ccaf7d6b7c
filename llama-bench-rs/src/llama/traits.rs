//! What may go to another thread and what may be shared, asserted; each type states the reason.

use super::{
    Backend, Batch, ChatTemplate, Context, Device, LlamaError, Lora, Model, Sampler, SamplerChain, SeqState,
    TextStream, Vocab,
};

/// Handles of what never changes: the registry, its devices, loaded models. And plain data.
const fn shared<T: Send + Sync>() {}
const _: () = shared::<Backend>();
const _: () = shared::<Device>();
const _: () = shared::<Model>();
const _: () = shared::<Vocab>();
const _: () = shared::<Lora>();
const _: () = shared::<Batch>();
const _: () = shared::<SeqState>();
const _: () = shared::<ChatTemplate>();
const _: () = shared::<TextStream>();
const _: () = shared::<LlamaError>();

/// What changes with use, and is tied to no thread.
const fn sent<T: Send>() {}
const _: () = sent::<Context>();
const _: () = sent::<Sampler>();
const _: () = sent::<SamplerChain>();

/// Does not compile if `$type` is `Sync`: `Of<_>` then has two implementations.
macro_rules! not_sync {
    ($type:ty) => {
        const _: fn() = || {
            trait Of<Case> {
                fn chosen() {}
            }
            struct Shareable;
            impl<T: ?Sized> Of<()> for T {}
            impl<T: ?Sized + Sync> Of<Shareable> for T {}
            <$type as Of<_>>::chosen()
        };
    };
}
not_sync!(Context);
not_sync!(Sampler);
