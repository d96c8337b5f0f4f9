//! The judges of a run: opened once, asked after every rollout.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use eyas_core::{Group, Interrupt};
use eyas_model::Vlm;
use eyas_model::image_file::encode_png;
use eyas_reward::judge::{
    Docket, Judge, JudgeError, JudgeImage, JudgeRequest, Question, Rules, Verdict, VerdictCache,
};
use eyas_reward::{Progress, RewardSpec, Scene, score_group};
use eyas_rollout::{Agent, ModelJudge};
use eyas_store::{Disk, Lines, StoreError};
use rayon::prelude::*;
use serde_json::{Map, Value};

use crate::TrainError;
use crate::recipe::{EnvChoice, JudgeKind, JudgeSettings};

/// Bytes of verdicts that are kept in memory, for each judge.
const CACHE_BYTES: usize = 64 << 20;

/// Longest line of a file of verdicts, in bytes: more than a judge behind an endpoint may answer (1 MiB), also when
/// every character of it is escaped.
const VERDICT_LINE: usize = 8 << 20;

/// How often it is looked whether the run was asked to stop, while somebody outside is thinking.
const LOOK: Duration = Duration::from_millis(50);

/// How long somebody outside may go on after that, so that verdicts that are about to come are not lost.
const GRACE: Duration = Duration::from_millis(500);

/// Questions that a model of this process is asked before it is looked again.
const BATCH: usize = 16;

/// The judges of a run.
#[derive(Default)]
pub struct Judges {
    seats: Vec<Seat>,
    interrupt: Interrupt,
}

struct Seat {
    settings: JudgeSettings,
    who: Who,
    cache: Arc<VerdictCache>,
}

/// A judge that needs nothing of the run.
type Outsider = dyn Judge + Send + Sync;

enum Who {
    /// Somebody who needs nothing of the run.
    Outside(Arc<Outsider>),
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
    /// Opens the judges that `settings` name. Verdicts are remembered in memory. After `interrupt` nobody is asked
    /// any more.
    ///
    /// # Errors
    /// [`TrainError::Judge`] when a model folder cannot be opened, an address or a key is none, or this build
    /// cannot ask endpoints.
    pub fn open(settings: &[JudgeSettings], interrupt: &Interrupt) -> Result<Self, TrainError> {
        let seat = |settings: &JudgeSettings| {
            let who = match &settings.who {
                JudgeKind::Endpoint { .. } => Who::Outside(endpoint(settings, interrupt)?),
                JudgeKind::Local { path, .. } => {
                    let model = Vlm::open(path).map_err(|error| failed(settings, error.to_string()))?;
                    let name = format!("{} {}", settings.name, model.policy.weights_hash());
                    Who::Model(Box::new(model), name)
                }
                JudgeKind::Policy { .. } => Who::Policy,
                JudgeKind::Scripted { rules, otherwise } => {
                    Who::Outside(Arc::new(Rules { rules: rules.clone(), otherwise: otherwise.clone() }))
                }
            };
            Ok(Seat { settings: settings.clone(), who, cache: Arc::new(VerdictCache::new(CACHE_BYTES)) })
        };
        let seats = settings.iter().map(seat).collect::<Result<_, TrainError>>()?;
        Ok(Self { seats, interrupt: interrupt.clone() })
    }

    /// Who they are.
    pub fn settings(&self) -> Vec<JudgeSettings> {
        self.seats.iter().map(|seat| seat.settings.clone()).collect()
    }

    /// Keeps the verdicts in files, in the folder `judges` of the run directory `run` where a judge has no file
    /// of its own. What is there already is not asked again.
    ///
    /// # Errors
    /// [`TrainError::Judge`] when a file cannot be opened or made, or holds a line that is too long for a verdict.
    pub fn remember(&mut self, run: &Path) -> Result<(), TrainError> {
        for seat in &mut self.seats {
            let path = file_of(&seat.settings, run);
            check_lines(&path).map_err(|error| failed(&seat.settings, error.to_string()))?;
            let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            let cache = made.and_then(|()| VerdictCache::with_file(CACHE_BYTES, &path));
            let cache =
                cache.map_err(|error| failed(&seat.settings, format!("{}: {error}", path.display())))?;
            seat.cache = Arc::new(cache);
        }
        Ok(())
    }

    /// Takes up the verdicts that the run directory `run` holds, and writes none.
    ///
    /// # Errors
    /// [`TrainError::Judge`] when a file cannot be read, or holds a line that is too long for a verdict.
    pub fn recall(&mut self, run: &Path) -> Result<(), TrainError> {
        for seat in &mut self.seats {
            let path = file_of(&seat.settings, run);
            check_lines(&path).map_err(|error| failed(&seat.settings, error.to_string()))?;
            let cache = VerdictCache::read(CACHE_BYTES, &path);
            let cache =
                cache.map_err(|error| failed(&seat.settings, format!("{}: {error}", path.display())))?;
            seat.cache = Arc::new(cache);
        }
        Ok(())
    }

    /// The answers to `questions`, in their order. Those to one judge are asked together. `policy`: who judges
    /// where the policy does.
    ///
    /// After an interrupt it ends soon, and some of the answers are that there are none: the caller must not take
    /// them for what the judges said. It does not wait for somebody outside who is thinking; that thread is left
    /// alone, asks no further question, and ends with its judge's time-out or the process.
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
            for (n, answer) in places.into_iter().zip(seat.ask(requests, policy, &self.interrupt)) {
                answers[n] = answer;
            }
        }
        answers
    }
}

impl Seat {
    fn ask(
        &self,
        requests: Vec<JudgeRequest>,
        policy: Option<Snapshot<'_>>,
        interrupt: &Interrupt,
    ) -> Vec<Result<Verdict, JudgeError>> {
        let model = |agent, name: &str, requests: &[JudgeRequest]| match self.settings.who {
            JudgeKind::Local { reading, max_tokens, .. } | JudgeKind::Policy { reading, max_tokens } => {
                let judge = ModelJudge::new(agent, name, reading, max_tokens);
                let some = |requests: &[JudgeRequest]| match interrupt.is_raised() {
                    true => vec![Err(interrupted()); requests.len()],
                    false => self.cache.ask(&judge, requests),
                };
                requests.chunks(BATCH).flat_map(some).collect()
            }
            _ => Vec::new(),
        };
        match (&self.who, policy) {
            (Who::Outside(judge), _) => outside(judge, &self.cache, requests, interrupt),
            (Who::Model(own, name), _) => model(Agent::of(own), name, &requests),
            (Who::Policy, Some(Snapshot { agent, name })) => model(agent, name, &requests),
            (Who::Policy, None) => {
                let detail = "the policy judges only while it is trained";
                vec![Err(JudgeError::BadRequest { detail: detail.into() }); requests.len()]
            }
        }
    }
}

/// Asks on a thread of its own, which is left behind when the run is to stop.
fn outside(
    judge: &Arc<Outsider>,
    cache: &Arc<VerdictCache>,
    requests: Vec<JudgeRequest>,
    interrupt: &Interrupt,
) -> Vec<Result<Verdict, JudgeError>> {
    let n = requests.len();
    let (judge, cache) = (judge.clone(), cache.clone());
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || said.send(cache.ask(&*judge, &requests)));
    loop {
        let wait = if interrupt.is_raised() { GRACE } else { LOOK };
        match heard.recv_timeout(wait) {
            Ok(answers) => return answers,
            Err(mpsc::RecvTimeoutError::Timeout) if wait == LOOK => {}
            Err(mpsc::RecvTimeoutError::Timeout) => return vec![Err(interrupted()); n],
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let detail = "its thread ended".to_string();
                return vec![Err(JudgeError::Refused { detail }); n];
            }
        }
    }
}

fn interrupted() -> JudgeError {
    JudgeError::Refused { detail: "the run is to stop".into() }
}

/// A judge that is asked nothing more once the run is to stop.
#[cfg(any(test, feature = "http"))]
struct Stoppable<J> {
    inner: J,
    interrupt: Interrupt,
}

#[cfg(any(test, feature = "http"))]
impl<J: Judge> Judge for Stoppable<J> {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        if self.interrupt.is_raised() { Err(interrupted()) } else { self.inner.judge(request) }
    }

    fn key(&self, request: &JudgeRequest) -> Result<[u8; 32], JudgeError> {
        self.inner.key(request)
    }
}

/// Checks that a file of verdicts can be read line by line within bounds, since anybody may have written it. None
/// is a file without verdicts; what a line says is looked at when it is read.
fn check_lines(path: &Path) -> Result<(), StoreError> {
    let lines = match Lines::open(&Disk, path, VERDICT_LINE) {
        Ok(lines) => lines.going_on(),
        Err(StoreError::Missing { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    for line in lines {
        match line {
            Ok(_) | Err(StoreError::NotUtf8 { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
fn endpoint(settings: &JudgeSettings, interrupt: &Interrupt) -> Result<Arc<Outsider>, TrainError> {
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
    let inner = PromptJudge::new(client, &settings.name);
    Ok(Arc::new(Parallel::new(Stoppable { inner, interrupt: interrupt.clone() }, *parallel)))
}

#[cfg(not(feature = "http"))]
fn endpoint(settings: &JudgeSettings, _: &Interrupt) -> Result<Arc<Outsider>, TrainError> {
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
    /// [`TrainError::Interrupted`], before judges are asked or while they are.
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
            if self.interrupt.is_raised() {
                // Some of the answers may be none.
                return Err(TrainError::Interrupted);
            }
            asked.questions += questions;
            asked.failed += failed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_reward::judge::Parallel;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    /// Thinks for a minute, after the first few questions.
    struct Slow {
        quick: usize,
        asked: Arc<AtomicUsize>,
    }

    impl Judge for Slow {
        fn judge(&self, _: &JudgeRequest) -> Result<Verdict, JudgeError> {
            if self.asked.fetch_add(1, Ordering::Relaxed) >= self.quick {
                std::thread::sleep(Duration::from_secs(60));
            }
            Ok(Verdict { score: 7.0, reason: None })
        }
    }

    fn settings() -> JudgeSettings {
        let text = "[[judge]]\nname = \"critic\"\nkind = \"scripted\"\notherwise = \"1\"\n";
        crate::recipe::Recipe::judges_of(text, "r.toml").unwrap().remove(0)
    }

    fn questions(n: usize) -> Vec<Question> {
        let question = |i: usize| Question {
            judge: "critic".into(),
            request: JudgeRequest {
                question: "What is it?".into(),
                rubric: "It is right.".into(),
                reference: None,
                response: format!("response {i}"),
                images: Vec::new(),
                scale: (0.0, 10.0),
                labels: Vec::new(),
            },
            pictures: Vec::new(),
        };
        (0..n).map(question).collect()
    }

    #[test]
    fn an_interrupt_does_not_wait_for_a_judge_who_thinks() {
        let (interrupt, asked) = (Interrupt::default(), Arc::new(AtomicUsize::new(0)));
        let inner = Slow { quick: 3, asked: asked.clone() };
        let slow = Parallel::new(Stoppable { inner, interrupt: interrupt.clone() }, 2);
        let cache = Arc::new(VerdictCache::new(CACHE_BYTES));
        let seat = Seat { settings: settings(), who: Who::Outside(Arc::new(slow)), cache };
        let judges = Judges { seats: vec![seat], interrupt: interrupt.clone() };
        let quick = judges.ask(&questions(3), None);
        assert!(quick.iter().all(|answer| answer.as_ref().is_ok_and(|v| v.score == 7.0)), "{quick:?}");
        let begun = Instant::now();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            interrupt.raise();
        });
        let answers = judges.ask(&questions(20), None);
        let took = begun.elapsed();
        assert!(took > Duration::from_millis(200) && took < Duration::from_secs(5), "{took:?}");
        assert_eq!(answers, vec![Err(interrupted()); 20]);
        // Two were under way; the others are never asked, nor is anybody else afterwards.
        assert_eq!(asked.load(Ordering::Relaxed), 5);
        assert_eq!(judges.ask(&questions(20)[19..], None), [Err(interrupted())]);
        assert_eq!(asked.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn a_file_of_verdicts_is_read_within_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("verdicts.jsonl");
        let mut judges =
            Judges::open(&[JudgeSettings { cache: Some(file.clone()), ..settings() }], &Interrupt::default())
                .unwrap();
        // None, one that is no verdict, one that is no text, one that was cut off.
        judges.remember(dir.path()).unwrap();
        std::fs::write(&file, b"nonsense\n\xff\xfe\n{\"key\": ").unwrap();
        judges.remember(dir.path()).unwrap();
        judges.recall(dir.path()).unwrap();
        let mut text = vec![b'x'; VERDICT_LINE + 1];
        text.splice(0..0, *b"{}\n");
        std::fs::write(&file, text).unwrap();
        let path = file.display();
        for error in [judges.remember(dir.path()).unwrap_err(), judges.recall(dir.path()).unwrap_err()] {
            let said = error.to_string();
            assert!(
                said.contains("critic") && said.contains(&format!("{path}, line 2: longer than")),
                "{said}"
            );
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(judges.remember(dir.path()).is_err(), "a folder");
    }
}
