//! The judges of a run: opened once, asked after every rollout.

use std::path::{Path, PathBuf};

use eyas_core::{Group, Interrupt};
use eyas_model::Vlm;
use eyas_model::image_file::encode_png;
use eyas_reward::judge::{
    Docket, Judge, JudgeError, JudgeImage, JudgeRequest, Question, Rules, Verdict, VerdictCache,
};
use eyas_reward::{Progress, RewardSpec, Scene, score_group};
use eyas_rollout::{Agent, ModelJudge};
use rayon::prelude::*;
use serde_json::{Map, Value};

use crate::TrainError;
use crate::recipe::{EnvChoice, JudgeKind, JudgeSettings};

/// Bytes of verdicts that are kept in memory, for each judge.
const CACHE_BYTES: usize = 64 << 20;

/// The judges of a run.
#[derive(Default)]
pub struct Judges {
    seats: Vec<Seat>,
}

struct Seat {
    settings: JudgeSettings,
    who: Who,
    cache: VerdictCache,
}

enum Who {
    /// Somebody who needs nothing of the run.
    Outside(Box<dyn Judge + Send + Sync>),
    /// A model of its own, and its name.
    Model(Box<Vlm>, String),
    /// The policy at the start of the stage.
    Policy,
}

/// The policy that judges.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    /// The policy, with its words.
    pub agent: Agent<'a>,
    /// Whose weights they are: verdicts are remembered under it.
    pub name: &'a str,
}

impl Judges {
    /// Opens the judges that `settings` name. Verdicts are remembered in memory.
    ///
    /// # Errors
    /// [`TrainError::Judge`] when a model folder cannot be opened, an address or a key is none, or this build
    /// cannot ask endpoints.
    pub fn open(settings: &[JudgeSettings]) -> Result<Self, TrainError> {
        let seat = |settings: &JudgeSettings| {
            let who = match &settings.who {
                JudgeKind::Endpoint { .. } => Who::Outside(endpoint(settings)?),
                JudgeKind::Local { path, .. } => {
                    let model = Vlm::open(path).map_err(|error| failed(settings, error.to_string()))?;
                    let name = format!("{} {}", settings.name, model.policy.weights_hash());
                    Who::Model(Box::new(model), name)
                }
                JudgeKind::Policy { .. } => Who::Policy,
                JudgeKind::Scripted { rules, otherwise } => {
                    Who::Outside(Box::new(Rules { rules: rules.clone(), otherwise: otherwise.clone() }))
                }
            };
            Ok(Seat { settings: settings.clone(), who, cache: VerdictCache::new(CACHE_BYTES) })
        };
        Ok(Self { seats: settings.iter().map(seat).collect::<Result<_, TrainError>>()? })
    }

    /// Who they are.
    pub fn settings(&self) -> Vec<JudgeSettings> {
        self.seats.iter().map(|seat| seat.settings.clone()).collect()
    }

    /// Keeps the verdicts in files, in the folder `judges` of the run directory `run` where a judge has no file
    /// of its own. What is there already is not asked again.
    ///
    /// # Errors
    /// [`TrainError::Judge`] when a file cannot be opened or made.
    pub fn remember(&mut self, run: &Path) -> Result<(), TrainError> {
        for seat in &mut self.seats {
            let path = file_of(&seat.settings, run);
            let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            let cache = made.and_then(|()| VerdictCache::with_file(CACHE_BYTES, &path));
            seat.cache =
                cache.map_err(|error| failed(&seat.settings, format!("{}: {error}", path.display())))?;
        }
        Ok(())
    }

    /// Takes up the verdicts that the run directory `run` holds, and writes none.
    ///
    /// # Errors
    /// [`TrainError::Judge`] when a file cannot be read.
    pub fn recall(&mut self, run: &Path) -> Result<(), TrainError> {
        for seat in &mut self.seats {
            let path = file_of(&seat.settings, run);
            let cache = VerdictCache::read(CACHE_BYTES, &path);
            seat.cache =
                cache.map_err(|error| failed(&seat.settings, format!("{}: {error}", path.display())))?;
        }
        Ok(())
    }

    /// The answers to `questions`, in their order. Those to one judge are asked together. `policy`: who judges
    /// where the policy does.
    pub fn ask(
        &self,
        questions: &[Question],
        policy: Option<Snapshot<'_>>,
    ) -> Vec<Result<Verdict, JudgeError>> {
        let unknown = |q: &Question| JudgeError::BadRequest { detail: format!("no judge {:?}", q.judge) };
        let mut answers: Vec<_> = questions.iter().map(|q| Err(unknown(q))).collect();
        for seat in &self.seats {
            let own: Vec<usize> =
                (0..questions.len()).filter(|n| questions[*n].judge == seat.settings.name).collect();
            let (mut places, mut requests) = (Vec::new(), Vec::new());
            for n in own {
                match pictured(&questions[n]) {
                    Ok(request) => {
                        places.push(n);
                        requests.push(request);
                    }
                    Err(error) => answers[n] = Err(error),
                }
            }
            if requests.is_empty() {
                continue;
            }
            for (n, answer) in places.into_iter().zip(seat.ask(&requests, policy)) {
                answers[n] = answer;
            }
        }
        answers
    }
}

impl Seat {
    fn ask(
        &self,
        requests: &[JudgeRequest],
        policy: Option<Snapshot<'_>>,
    ) -> Vec<Result<Verdict, JudgeError>> {
        let model = |agent, name: &str| match self.settings.who {
            JudgeKind::Local { reading, max_tokens, .. } | JudgeKind::Policy { reading, max_tokens } => {
                self.cache.ask(&ModelJudge::new(agent, name, reading, max_tokens), requests)
            }
            _ => Vec::new(),
        };
        match (&self.who, policy) {
            (Who::Outside(judge), _) => self.cache.ask(&**judge, requests),
            (Who::Model(own, name), _) => model(Agent::of(own), name),
            (Who::Policy, Some(Snapshot { agent, name })) => model(agent, name),
            (Who::Policy, None) => {
                let detail = "the policy judges only while it is trained";
                vec![Err(JudgeError::BadRequest { detail: detail.into() }); requests.len()]
            }
        }
    }
}

/// Where the verdicts of a judge are kept.
fn file_of(settings: &JudgeSettings, run: &Path) -> PathBuf {
    let own = || run.join("judges").join(format!("{}.jsonl", settings.name));
    settings.cache.clone().unwrap_or_else(own)
}

fn failed(settings: &JudgeSettings, problem: String) -> TrainError {
    TrainError::Judge { name: settings.name.clone(), problem }
}

/// The request with its pictures encoded.
fn pictured(question: &Question) -> Result<JudgeRequest, JudgeError> {
    let encode = |picture| {
        let bytes = encode_png(picture, "a picture for the judge").map_err(|error| error.to_string())?;
        JudgeImage::new("image/png", bytes).ok_or_else(|| "no type of pictures".to_string())
    };
    let images: Result<_, String> = question.pictures.iter().map(encode).collect();
    let images = images.map_err(|detail| JudgeError::BadRequest { detail })?;
    Ok(JudgeRequest { images, ..question.request.clone() })
}

#[cfg(feature = "http")]
fn endpoint(settings: &JudgeSettings) -> Result<Box<dyn Judge + Send + Sync>, TrainError> {
    use eyas_reward::judge::{Backoff, ChatClient, ChatSettings, Parallel, PromptJudge};
    let JudgeKind::Endpoint { url, model, key_env, seed, max_tokens, timeout_ms, attempts, parallel } =
        &settings.who
    else {
        return Err(failed(settings, "not an endpoint".into()));
    };
    let chat = ChatSettings {
        seed: *seed,
        max_tokens: u32::try_from(*max_tokens).unwrap_or(u32::MAX),
        timeout_ms: *timeout_ms,
        backoff: Backoff { attempts: *attempts, ..Backoff::default() },
        api_key_env: key_env.clone(),
        ..ChatSettings::new(url, model)
    };
    let client = ChatClient::new(chat).map_err(|error| failed(settings, error.to_string()))?;
    Ok(Box::new(Parallel::new(PromptJudge::new(client, &settings.name), *parallel)))
}

#[cfg(not(feature = "http"))]
fn endpoint(settings: &JudgeSettings) -> Result<Box<dyn Judge + Send + Sync>, TrainError> {
    let problem =
        "this build cannot ask endpoints\nhint: build with `--features http`, or choose another kind";
    Err(failed(settings, problem.into()))
}

/// Who is asked what, for the scores of a step.
pub(crate) struct Scoring<'a> {
    pub(crate) rewards: &'a [RewardSpec],
    pub(crate) envs: &'a [EnvChoice],
    pub(crate) tags: &'a [&'a str],
    pub(crate) progress: Progress,
    pub(crate) judges: &'a Judges,
    pub(crate) policy: Option<Snapshot<'a>>,
    pub(crate) interrupt: &'a Interrupt,
}

/// Questions that were asked, and those that got no verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) questions: usize,
    pub(crate) failed: usize,
}

impl Scoring<'_> {
    /// Fills the score sheets of `groups`, of which the environments stand at `places`; `known` holds further
    /// fields of their episodes, if there are any.
    ///
    /// # Errors
    /// [`TrainError::Interrupted`], before judges are asked.
    pub(crate) fn score(
        &self,
        groups: &mut [Group],
        places: &[usize],
        known: &[Vec<Map<String, Value>>],
    ) -> Result<Asked, TrainError> {
        let (mut docket, mut asked) = (Docket::default(), Asked::default());
        loop {
            groups.par_iter_mut().enumerate().for_each(|(n, group)| {
                let scene = Scene {
                    tags: self.tags,
                    progress: self.progress,
                    task: places.get(n).and_then(|env| self.envs.get(*env)).map_or("", |env| &env.name),
                    docket: Some(&docket),
                    known: known.get(n).map_or(&[], Vec::as_slice),
                };
                score_group(self.rewards, &mut group.episodes, &scene);
            });
            if docket.open() > 0 && self.interrupt.is_raised() {
                return Err(TrainError::Interrupted);
            }
            let (questions, failed) = docket.settle(|questions| self.judges.ask(questions, self.policy));
            if questions == 0 {
                return Ok(asked);
            }
            asked.questions += questions;
            asked.failed += failed;
        }
    }
}
