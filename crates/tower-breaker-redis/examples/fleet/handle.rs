//! An instance as it is seen from outside: told line by line, and seen line by line.

use std::{
    io::{self, BufRead as _},
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    sync::mpsc,
};
use tower_breaker::fleet::Store;

use super::instance::{self, Plan};

/// In whose environment this is, it is an instance of this plan.
pub(crate) const PLAN: &str = "TOWER_BREAKER_INSTANCE";

/// What it has said.
#[derive(Debug, Default)]
struct Said {
    /// The last state.
    state: Value,
    /// All but states: transitions, and answers.
    lines: Vec<Value>,
}

/// One instance, in a process of its own or in this one. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) name: String,
    orders: mpsc::UnboundedSender<String>,
    said: Arc<Mutex<Said>>,
    child: Option<Child>,
}

impl Instance {
    /// In a process of its own, that this command starts. It asks [`its_plan`] what it is.
    pub(crate) fn process(mut command: Command, plan: &Plan) -> io::Result<Self> {
        let mut child = command
            .env(PLAN, plan.to_json())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let said = Arc::<Mutex<Said>>::default();
        let (orders, mut of_child) = mpsc::unbounded_channel::<String>();
        if let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) {
            tokio::spawn(async move {
                while let Some(order) = of_child.recv().await {
                    if input
                        .write_all(format!("{order}\n").as_bytes())
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
            });
            let said = said.clone();
            tokio::spawn(async move {
                let mut lines = BufReader::new(output).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    hear(&said, &line);
                }
            });
        }
        Ok(Self {
            name: plan.name.clone(),
            orders,
            said,
            child: Some(child),
        })
    }

    /// In this process.
    pub(crate) fn task(plan: Plan, store: impl Store) -> Self {
        let (orders, of_task) = mpsc::unbounded_channel();
        let said = Arc::<Mutex<Said>>::default();
        let name = plan.name.clone();
        let heard = said.clone();
        tokio::spawn(instance::run(
            plan,
            store,
            of_task,
            Arc::new(move |line| remember(&heard, line)),
        ));
        Self {
            name,
            orders,
            said,
            child: None,
        }
    }

    /// Tells it something; see [`instance`].
    pub(crate) fn tell(&self, order: &str) {
        drop(self.orders.send(order.into()));
    }

    /// What it is now.
    pub(crate) fn state(&self) -> Value {
        self.said().state.clone()
    }

    /// What it has said beside: transitions, and answers.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.said().lines.clone()
    }

    /// Its process, if it has one of its own that has not ended.
    #[allow(dead_code, reason = "for the tests")]
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whatever is no JSON was said by somebody else, such as the harness of tests.
fn hear(said: &Mutex<Said>, line: &str) {
    let json = line
        .find('{')
        .and_then(|at| serde_json::from_str(&line[at..]).ok());
    if let Some(line) = json {
        remember(said, line);
    }
}

fn remember(said: &Mutex<Said>, line: Value) {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    if line.get("state").is_some() {
        said.state = line;
    } else {
        said.lines.push(line);
    }
}

/// What this process is to be, if it is an instance.
pub(crate) fn its_plan() -> Option<Plan> {
    Plan::from_json(&std::env::var(PLAN).ok()?)
}

/// Is that instance, until its input ends.
pub(crate) async fn be(plan: Plan, store: impl Store) {
    let (orders, of_instance) = mpsc::unbounded_channel();
    // Its input ends with who has started it, and then it ends.
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            drop(orders.send(line));
        }
    });
    let name = plan.name.clone();
    let said = instance::run(
        plan,
        store,
        of_instance,
        Arc::new(|line| println!("{line}")),
    )
    .await;
    if let Err(error) = said {
        eprintln!("{name}: {error}");
    }
}
