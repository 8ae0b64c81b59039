/* Runs kernels on the threads that torch computes with.
 *
 * After each operation torch's threads (libgomp's) wait for the next one in a loop, for
 * milliseconds, as waking up would take longer. Threads of our own would have to share the
 * processors with them. So the very same threads are asked, by the functions that a compiler calls
 * for OpenMP.
 *
 * A job is done when its pieces are, whoever did them: nobody waits for a thread that sleeps. After
 * a pause they all do, and the system may wake them on the very processor that the caller computes
 * on, where they would get their turn when the caller's ends, after a small net's whole run. So
 * after a pause the caller offers them the processor once, and who finds itself there moves away.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stddef.h>
#include <time.h>

#define PATIENCE 1000              /* looks at what others do, before the processor is offered */
#define PAUSE 2e-3                 /* seconds, after which threads are thought to sleep */
#if defined(__x86_64__)
#define REST __builtin_ia32_pause()
#elif defined(__aarch64__)
#define REST __asm__ volatile("yield")
#else
#define REST
#endif

typedef ptrdiff_t size;

typedef struct {
    void (*kernel)(const void *arguments, size first, size last, float *room, void *sums);
    const void *arguments;
    const size *bounds;            /* of its pieces: one more than there are */
    char *sums;                    /* of each piece; null for none */
    size sums_step;                /* bytes from one piece's to the next's */
    int pieces, next, done;        /* next: the piece that nobody has taken yet */
} Job;

typedef struct {
    Job *jobs;
    int count, threads;
    float *room;                   /* of each thread */
    size room_step;                /* floats from one thread's to the next's */
} Jobs;

typedef struct {                   /* libgomp's */
    void (*parallel)(void (*work)(void *), void *data, unsigned threads, unsigned flags);
    int (*thread)(void);
} Team;

typedef struct {
    Jobs *of;
    const Team *team;
    int processor;                 /* the caller's after a pause; else -1 */
} Run;

/* Take pieces of a job until there are none left. */
static void take(Job *job, float *room)
{
    for (;;) {
        int i = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
        if (i >= job->pieces)
            return;
        job->kernel(job->arguments, job->bounds[i], job->bounds[i + 1], room,
                    job->sums ? job->sums + i * job->sums_step : 0);
        __atomic_fetch_add(&job->done, 1, __ATOMIC_RELEASE);
    }
}

/* Wait until all that others took is done. */
static void await(const Job *job)
{
    for (int looks = 0; __atomic_load_n(&job->done, __ATOMIC_ACQUIRE) < job->pieces; looks++)
        if (looks < PATIENCE)
            REST;
        else
            sched_yield();
}

#ifdef __linux__
/* Have this thread go on on another processor than that one, if it may. */
static void leave(int processor)
{
    cpu_set_t may, others;
    if (sched_getcpu() != processor || sched_getaffinity(0, sizeof may, &may))
        return;
    others = may;
    CPU_CLR(processor, &others);
    if (CPU_COUNT(&others) && !sched_setaffinity(0, sizeof others, &others))
        sched_setaffinity(0, sizeof may, &may);
}

static int here(void) { return sched_getcpu(); }
#else
static void leave(int processor) { }
static int here(void) { return -1; }
#endif

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* What each thread does: all jobs, one after the other, each begun when the one before is done. */
static void work(void *data)
{
    Run *run = data;
    int thread = run->team->thread();
    if (run->processor >= 0 && thread)
        leave(run->processor);
    else if (run->processor >= 0)
        sched_yield();
    for (int j = 0; j < run->of->count; j++) {
        take(run->of->jobs + j, run->of->room + thread * run->of->room_step);
        await(run->of->jobs + j);
    }
}

void run_jobs(Jobs *jobs, const Team *team)
{
    int most = 0;
    for (int j = 0; j < jobs->count; j++) {
        jobs->jobs[j].next = jobs->jobs[j].done = 0;
        most = jobs->jobs[j].pieces > most ? jobs->jobs[j].pieces : most;
    }
    if (most > 1 && jobs->threads > 1 && team) {
        static double last;        /* when jobs ended; of several callers' any */
        Run run = {jobs, team, now() - last > PAUSE ? here() : -1};
        team->parallel(work, &run, jobs->threads, 0);
        last = now();
    } else
        for (int j = 0; j < jobs->count; j++)
            take(jobs->jobs + j, jobs->room);
}

/* Run one job: what Python would take long to put into structures. */
void run_job(void *kernel, const void *arguments, const size *bounds, int pieces, char *sums,
             size sums_step, float *room, size room_step, int threads, const Team *team)
{
    Job job = {kernel, arguments, bounds, sums, sums_step, pieces, 0, 0};
    Jobs jobs = {&job, 1, threads, room, room_step};
    run_jobs(&jobs, team);
}
